include(GoogleTest)

# bk_library(NAME SOURCES a.cc … [LIBS …]): one static library of a layer.
function(bk_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC bk_flags ${ARG_LIBS})
endfunction()

# bk_program(NAME MAIN main.cc [LIBS …]): a program in build/<preset>/bin.
function(bk_program name)
  cmake_parse_arguments(ARG "" "MAIN" "LIBS" ${ARGN})
  add_executable(${name} ${ARG_MAIN})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
endfunction()

# bk_test(NAME LABEL unit SOURCES a_test.cc … [LIBS …] [TIMEOUT s]): a GoogleTest program, each TEST a ctest entry.
function(bk_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} bk_test_main)
  gtest_discover_tests(${name} TEST_PREFIX "${ARG_LABEL}:" PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
                       DISCOVERY_TIMEOUT 60)
endfunction()

# bk_test_run(LABEL:NAME PROGRAM TIMEOUT s [FILTER f] [ENVIRONMENT …]): tests of a GoogleTest program as one ctest entry.  One of them
# skipped is the entry skipped.
function(bk_test_run name program)
  cmake_parse_arguments(ARG "" "TIMEOUT;FILTER" "ENVIRONMENT" ${ARGN})
  string(REGEX REPLACE ":.*" "" label "${name}")
  add_test(NAME "${name}" COMMAND ${program} "--gtest_filter=${ARG_FILTER}*")
  set_tests_properties("${name}" PROPERTIES LABELS ${label} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${ARG_ENVIRONMENT}"
                       SKIP_RETURN_CODE 77)
endfunction()

# bk_script_test(NAME LABEL scenario SCRIPT file.sh [TIMEOUT s] [SERIAL]): a script, run with BK_SOURCE and BK_BIN set;
# exit status 77 means skipped, with the reason on its last line.
function(bk_script_test name)
  cmake_parse_arguments(ARG "SERIAL" "LABEL;SCRIPT;TIMEOUT" "ARGS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME "${ARG_LABEL}:${name}" COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SCRIPT}" ${ARG_ARGS})
  set_tests_properties("${ARG_LABEL}:${name}" PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77
                       ENVIRONMENT "BK_SOURCE=${CMAKE_SOURCE_DIR};BK_BIN=${CMAKE_BINARY_DIR}/bin;BK_BUILD=${CMAKE_BINARY_DIR}")
  if(ARG_SERIAL)
    set_tests_properties("${ARG_LABEL}:${name}" PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# bk_fuzz(NAME SOURCES x_fuzz.cc [LIBS …]): a libFuzzer target; in other presets the same harness replays its corpus
# (tests/fuzz/corpus/NAME) as a plain test.
function(bk_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  if(BK_FUZZ)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME "fuzz:${name}" COMMAND ${name} "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    set_tests_properties("fuzz:${name}" PROPERTIES LABELS fuzz TIMEOUT 60)
  endif()
endfunction()
