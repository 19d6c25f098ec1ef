# What `setup/build release --deb` puts into backline-client and backline-server (CPack).
#
# Programs lie in /usr/lib/backline/<side>/bin, where setup/backline-setup beside them finds them and links them into a home's
# scripts/; what people call by name is linked from /usr/bin and /usr/sbin.
set(BK_CLIENT_PROGRAMS backup_it backup_all commit_backup_request send_request add_queue backup_agent restore_it)
set(BK_CLIENT_CMDS backup_git backup_dir backup_archive backup_site backup_mysql backup_postgres backup_sqlite backup_s3 backup_dataverse)
set(BK_SERVER_PROGRAMS bk_access ingest_requests do_backup bk_pull bk_ssh_program bkdb)
set(BK_CLIENT_PAGES backup_it backup_all commit_backup_request commitBackupRequest send_request add_queue backup_agent restore_it restore_site
                    backup_git backup_dir backup_archive backup_site backup_mysql backup_postgres backup_sqlite backup_s3 backup_dataverse)
set(BK_SERVER_PAGES bk_access ingest_requests do_backup bk_pull bk_ssh bkdb)

function(bk_package_link side folder name target)
  set(link "${CMAKE_BINARY_DIR}/links/${side}/${name}")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/links/${side}")
  file(REMOVE "${link}")
  file(CREATE_LINK "${target}" "${link}" SYMBOLIC)
  install(FILES "${link}" DESTINATION ${folder} COMPONENT ${side})
endfunction()

function(bk_package_page side page section as)
  set(packed "${CMAKE_BINARY_DIR}/man/${side}/${as}.${section}.gz")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/man/${side}")
  execute_process(COMMAND gzip -9nc "${CMAKE_SOURCE_DIR}/docs/man/${page}.${section}" OUTPUT_FILE "${packed}")
  install(FILES "${packed}" DESTINATION share/man/man${section} COMPONENT ${side})
endfunction()

function(bk_package side)
  string(TOUPPER ${side} upper)
  set(lib lib/backline/${side})
  install(TARGETS ${BK_${upper}_PROGRAMS} RUNTIME DESTINATION ${lib}/bin COMPONENT ${side})
  install(PROGRAMS setup/backline-setup DESTINATION ${lib}/setup COMPONENT ${side})
  install(DIRECTORY setup/host DESTINATION ${lib}/setup COMPONENT ${side} FILES_MATCHING PATTERN "*.py")
  install(FILES setup/completion/backline DESTINATION share/bash-completion/completions COMPONENT ${side}
          RENAME backline-${side}-setup)
  install(FILES README.md docs/INSTALL.md DESTINATION share/doc/backline-${side} COMPONENT ${side})
  install(DIRECTORY docs/formats DESTINATION share/doc/backline-${side} COMPONENT ${side})
  bk_package_link(${side} sbin backline-${side}-setup ../lib/backline/${side}/setup/backline-setup)
  foreach(page ${BK_${upper}_PAGES})
    bk_package_page(${side} ${page} 1 ${page})
  endforeach()
  bk_package_page(${side} backline-setup 8 backline-${side}-setup)
  foreach(program ${BK_${upper}_PROGRAMS})
    string(REPLACE bk_ssh_program bk_ssh name ${program})
    bk_package_link(${side} bin ${name} ../lib/backline/${side}/bin/${name})
  endforeach()
endfunction()

bk_package(client)
install(PROGRAMS client/apps/restore_site DESTINATION lib/backline/client/bin COMPONENT client)
bk_package_link(client bin restore_site ../lib/backline/client/bin/restore_site)
install(DIRECTORY docs/modules DESTINATION share/doc/backline-client COMPONENT client)
install(TARGETS ${BK_CLIENT_CMDS} RUNTIME DESTINATION lib/backline/client/bin/cmds COMPONENT client)
bk_package_link(client bin commitBackupRequest ../lib/backline/client/bin/commit_backup_request)
bk_package(server)
# The server's line begins with this word, and belongs to clients.
bk_package_link(client sbin backline-setup backline-client-setup)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME backline)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "Backline <root@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL client server)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(side client server)
  string(TOUPPER ${side} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME backline-${side})
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "python3 (>= 3.11), git, openssh-client, openssh-server, passwd, util-linux")
  foreach(script postinst prerm)
    configure_file(setup/debian/${script}.in "${CMAKE_BINARY_DIR}/debian/${side}/${script}" @ONLY
                   FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  endforeach()
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${CMAKE_BINARY_DIR}/debian/${side}/postinst;${CMAKE_BINARY_DIR}/debian/${side}/prerm")
endforeach()
set(CPACK_COMPONENT_CLIENT_DESCRIPTION "Backline, the side whose data is backed up
 Asks through git; the server pulls the data through SSH.
 After installation: backline-client-setup client URL_of_this_machine")
set(CPACK_COMPONENT_SERVER_DESCRIPTION "Backline, the side that keeps the backups
 Takes requests through git, pulls the data through SSH into a store that no client reaches.
 After installation: backline-server-setup server URL_of_this_machine")
include(CPack)
