#!/usr/bin/env bash
# Goal: a real MediaWiki with SQLite, MariaDB or PostgreSQL, saved while pages are written and images come and go, destroyed, restored by its page's command under another address and
# database: every page with its history, and every image is there and answers; no row names a file that is not there.
#   80-wiki.sh [sqlite mysql postgres]
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/mariadb.sh"
. "$BK_SOURCE/tests/support/services/postgres.sh"
mariadb_or_skip
postgres_or_skip
[[ -d /usr/share/mediawiki/maintenance ]] && type -P php >/dev/null && type -P curl >/dev/null || skip "MediaWiki, php or curl is not installed (setup/packages: optional)"
php -m | grep -qx pgsql || skip "php-pgsql is not installed (setup/packages: optional)"
[[ $EUID == 0 ]] || skip "needs root: the site has a user of its own"
kinds=("${@:-sqlite}"); [[ $# -gt 0 ]] || kinds=(sqlite mysql postgres)
chmod 755 "$T"
pids=()
ending() { touch "$T/stop"; for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null; done; mariadb_down "$T/my"; postgres_down "$T/pg"; }
lab_up
port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
as_web() { setpriv --reuid=www-data --regid=www-data --clear-groups "$@"; }
get() { curl -fsS -m 60 --noproxy '*' "$@"; }
password="it's \"odd\" \\ 5; # ü"

python3 - "$T/pages.xml" <<'PY'
import sys
with open(sys.argv[1], "w") as f:
    f.write('<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en">')
    for i in range(1, 13):
        f.write("<page><title>Seite %d Ü</title>" % i)
        for n in (1, 2, 3):
            f.write('<revision><timestamp>2024-0%d-01T00:00:00Z</timestamp><contributor><username>Admin</username></contributor>'
                    '<text xml:space="preserve">text %d of page %d [[Seite %d Ü]] &lt;b&gt; 😀</text></revision>' % (n, n, i, i + 1))
        f.write("</page>")
    f.write("</mediawiki>")
PY
mkdir "$T/pictures" "$T/www" "$T/etc"
php -r 'for ($i = 1; $i < 4; $i++) { $m = imagecreatetruecolor(80, 60); imagefill($m, 0, 0, 0xff0000 + $i); imagepng($m, $argv[1] . "/Bild_$i.png"); }' "$T/pictures"
chmod -R a+rX "$T/pictures" "$T/pages.xml"; chown www-data: "$T/www"
# edits pages, uploads images, deletes those that were there before: as people do, by the wiki's own code
cat >"$T/live.php" <<'PHP'
<?php
require_once getenv('MW_INSTALL_PATH') . '/maintenance/Maintenance.php';
class Live extends Maintenance {
  public function execute() {
    $services = MediaWiki\MediaWikiServices::getInstance();
    $user = User::newSystemUser('Maintenance script', ['steal' => true]);
    $repo = $services->getRepoGroup()->getLocalRepo();
    for ($i = 1; !file_exists(getenv('STOP')); $i++) {
      $m = imagecreatetruecolor(40, 30); imagefill($m, 0, 0, 1000 * $i);
      $png = tempnam(sys_get_temp_dir(), 'live'); imagepng($m, $png);
      $title = Title::makeTitle(NS_MAIN, "Live $i");
      $services->getWikiPageFactory()->newFromTitle($title)->doUserEditContent(ContentHandler::makeContent("live $i", $title), $user, 'by Live');
      $up = $repo->newFile("Live_$i.png")->upload($png, 'by Live', 'live', 0, false, false, $user);
      if (!$up->isOK()) { fwrite(STDERR, $up->getMessage()->text() . "\n"); exit(1); }
      if ($i > 6 && $i <= 12) $repo->newFile('Live_' . ($i - 6) . '.png')->deleteFile('by Live', $user);
      unlink($png);
      file_put_contents(getenv('TOLD'), "$i");
    }
  }
}
$maintClass = Live::class;
require_once RUN_MAINTENANCE_IF_MAIN;
PHP
# what the restored wiki knows of files, against what is there
cat >"$T/judge.php" <<'PHP'
<?php
require_once getenv('MW_INSTALL_PATH') . '/maintenance/Maintenance.php';
class Judge extends Maintenance {
  public function execute() {
    $repo = MediaWiki\MediaWikiServices::getInstance()->getRepoGroup()->getLocalRepo();
    $rows = $this->getDB(DB_REPLICA)->select('image', ['img_name', 'img_sha1', 'img_size'], '', __METHOD__);
    $live = 0;
    foreach ($rows as $row) {
      $file = $repo->newFile($row->img_name);
      $path = $file->getLocalRefPath();
      if (!$path || filesize($path) != $row->img_size || FSFile::getSha1Base36FromPath($path) !== $row->img_sha1) { echo "not there: $row->img_name\n"; continue; }
      if (str_starts_with($row->img_name, 'Live_')) $live++;
    }
    echo "live $live\n";
  }
}
$maintClass = Judge::class;
require_once RUN_MAINTENANCE_IF_MAIN;
PHP
# every revision of every page but those of the writer
revisions() { python3 - "$1" <<'PY'
import sys, xml.etree.ElementTree as E
n = "{http://www.mediawiki.org/xml/export-0.11/}"
for page in E.parse(sys.argv[1]).getroot().iter(n + "page"):
    title = page.findtext(n + "title")
    if "Live" not in title:
        for r in page.iter(n + "revision"):
            print([title] + [r.findtext(n + k) for k in ("timestamp", "text", "sha1", "comment")])
PY
}
dumped() { as_web env MW_INSTALL_PATH="$1" php "$1/maintenance/dumpBackup.php" --full --quiet --conf "$1/LocalSettings.php" >"$2" 2>"$T/dump.err" || { tail -5 "$T/dump.err"; die "dumpBackup of $1"; }; revisions "$2"; }
serve() { # FOLDER PORT
  PHP_CLI_SERVER_WORKERS=2 MW_INSTALL_PATH=$1 setsid setpriv --reuid=www-data --regid=www-data --clear-groups php -S "127.0.0.1:$2" -t "$1" >>"$T/web.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do curl -s -m 20 --noproxy '*' -o /dev/null "http://127.0.0.1:$2/" && return; sleep 0.05; done
  die "php does not answer"
}
sql_my() { mariadb --no-defaults -u root "$@"; }

for kind in "${kinds[@]}"; do
  site=$T/www/$kind target=$T/www/moved-$kind old=$(port) new=$(port)
  say "a wiki with $kind"
  mkdir -p "$site/images" "$site/cache"
  where=()
  case $kind in
    sqlite) # as from the tar archive: the code in the folder, the databases beside it
      tar -C /usr/share/mediawiki -h --exclude='./extensions*' --exclude=./skins --exclude=./images --exclude=./LocalSettings.php --exclude=./config \
        --exclude='*/i18n/[!e]*.json' --exclude='*/i18n/e[!n]*.json' -cf - . | tar -C "$site" -xf -
      mkdir -p "$site/extensions" "$site/skins" "$T/www/data"
      where=(--dbtype=sqlite --dbpath="$T/www/data" --dbname=wiki) ;;
    *) # as from the Debian package: links to the code, the settings a link to elsewhere
      for name in /usr/share/mediawiki/*; do [[ -e $site/${name##*/} || $name == */LocalSettings.php ]] || ln -s "$name" "$site/"; done ;;&
    mysql)
      mariadb_up "$T/my"
      sql_my <<SQL
CREATE DATABASE wiki; CREATE DATABASE moved; CREATE USER wiki@localhost IDENTIFIED BY '$(sed "s/[\\\\']/\\\\&/g" <<<"$password")'; GRANT ALL ON wiki.* TO wiki@localhost; GRANT ALL ON moved.* TO wiki@localhost;
SQL
      where=(--dbtype=mysql --dbserver="localhost:$T/my/sock" --dbname=wiki --dbuser=wiki --dbpass="$password" --dbprefix=w_) ;;
    postgres)
      postgres_up "$T/pg"
      psql -Xq -c "CREATE ROLE wiki LOGIN PASSWORD '${password//\'/\'\'}'" -c 'CREATE ROLE other LOGIN PASSWORD '\''other:\word'\''' -c 'CREATE DATABASE wiki OWNER wiki' -c 'CREATE DATABASE moved OWNER other'
      where=(--dbtype=postgres --dbserver="$T/pg/socket" --dbport=5432 --dbname=wiki --dbuser=wiki --dbpass="$password" --installdbuser=wiki --installdbpass="$password") ;;
  esac
  chown -R www-data: "$T/www"
  export MW_INSTALL_PATH=$site
  as_web php "$site/maintenance/install.php" "${where[@]}" --confpath="$site" --server="http://127.0.0.1:$old" --scriptpath= --pass=secret-secret-1 --skins= "Wiki" Admin >"$T/install.log" 2>&1 || { tail -20 "$T/install.log"; die "install.php"; }
  printf '%s\n' '$wgEnableUploads = true; $wgJobRunRate = 0; $wgShowExceptionDetails = true;' "if (is_writable('/root')) { file_put_contents('$T/ran-as-root', PHP_SAPI); }" >>"$site/LocalSettings.php"
  if [[ $kind == postgres ]]; then
    mkdir "$T/uploads"; chown www-data: "$T/uploads"
    echo "\$wgUploadDirectory = '$T/' . 'uploads';" >>"$site/LocalSettings.php"
  fi
  if [[ $kind != sqlite ]]; then mv "$site/LocalSettings.php" "$T/etc/$kind.php"; ln -s "$T/etc/$kind.php" "$site/LocalSettings.php"; fi
  as_web php "$site/maintenance/importDump.php" --conf "$site/LocalSettings.php" "$T/pages.xml" >"$T/import.log" 2>&1 || { tail -5 "$T/import.log"; die "importDump"; }
  as_web php "$site/maintenance/importImages.php" --conf "$site/LocalSettings.php" "$T/pictures" png >"$T/images.log" 2>&1 || { tail -5 "$T/images.log"; die "importImages"; }
  dumped "$site" "$T/want.xml" >"$T/want"
  same "$(grep -c 'Seite' "$T/want")" 36; same "$(grep -c 'Bild' "$T/want")" 3

  say "saved while it is written"
  rm -f "$T/stop" "$T/told"; touch "$T/told"; chown www-data: "$T/told"
  STOP=$T/stop TOLD=$T/told setsid setpriv --reuid=www-data --regid=www-data --clear-groups php "$T/live.php" --conf "$site/LocalSettings.php" >"$T/live.log" 2>&1 & writer=$!; pids+=("$writer")
  for _ in $(seq 400); do (($(cat "$T/told") >= 6)) 2>/dev/null && break; kill -0 "$writer" 2>/dev/null || { cat "$T/live.log"; die "the writer has ended"; }; sleep 0.1; done
  paths_of "$C1" wiki "$site"
  one_round "$C1" "$S1" wiki
  kill -0 "$writer" 2>/dev/null || { cat "$T/live.log"; die "the writer has ended"; }
  touch "$T/stop"; wait "$writer" || { cat "$T/live.log"; die "the writer"; }
  echo "   $(cat "$T/told") pages and images written meanwhile"
  nothing_left "$C1" "$S1" client1
  ! grep -rqF "$password" "$C1/log" || die "the password stands in a log"
  ! find "$C1/spool" -name '*.access' | grep -q . || die "the password lies in the spool"

  say "destroyed, then restored by the page's command elsewhere"
  DUMP=$(export_source "$S1" "$site" "$T/dump") TARGET=$target DATABASE= ACCESS= ADDRESS=http://127.0.0.1:$new OWNER=www-data:
  rm -rf "$site" "$T/www/data" "$T/uploads" "$T/etc/$kind.php"
  tail -c 100 "$DUMP/pages.xml" | grep -q '</mediawiki>' || die "the dump of pages is not whole"
  revisions "$DUMP/pages.xml" | cmp - "$T/want" || die "the dump of pages is another one"
  (umask 077; case $kind in
    mysql) python3 - "$T/access" "$password" "$T/my/sock" <<'PY'
import sys
open(sys.argv[1], "w").write('[client]\nuser=wiki\npassword="%s"\nsocket=%s\n' % (sys.argv[2].replace("\\", "\\\\").replace('"', '\\"'), sys.argv[3]))
PY
    ;; postgres) echo "$T/pg/socket:*:*:other:other\\:\\\\word" >"$T/access" ;; esac)
  case $kind in
    sqlite) same "$(find "$DUMP/database" -name '*.sqlite' | wc -l)" 4; DATABASE=$T/www/moved-data ;;
    mysql) sql_my -e 'DROP DATABASE wiki'; DATABASE=moved ACCESS=$T/access ;;
    postgres) psql -Xq -c 'DROP DATABASE wiki' -c 'DROP ROLE wiki'; DATABASE=moved ACCESS=$T/access ;;
  esac
  export DUMP TARGET DATABASE ACCESS ADDRESS OWNER
  (unset "${!PG@}"; trap - EXIT; run_block modules/wiki.md sh) || die "restore_site"
  export MW_INSTALL_PATH=$target
  dumped "$target" "$T/got.xml" >"$T/got"
  diff "$T/want" "$T/got" >"$T/diff" || { head -20 "$T/diff"; die "pages or their history differ"; }
  exits 0 as_web php "$T/judge.php" --conf "$target/LocalSettings.php"
  ! grep 'not there' "$T/out" || die "rows without their files"
  says '^live [1-9]'
  exits 0 as_web php "$target/maintenance/findMissingFiles.php" --conf "$target/LocalSettings.php"
  same "$(grep -c . "$T/out" || true)" 0 "images whose file is missing"

  say "it answers there"
  serve "$target" "$new"
  get "$ADDRESS/index.php?title=Seite_7_%C3%9C" >"$T/page.html"
  grep -q 'text 3 of page 7' "$T/page.html" || die "the page does not answer"
  ! grep -q "127.0.0.1:$old" "$T/page.html" || die "the page leads to the old address"
  same "$(get "$ADDRESS/api.php?action=query&prop=revisions&titles=Seite_7_%C3%9C&rvprop=content|timestamp&rvslots=main&rvlimit=9&format=json&formatversion=2" |
    python3 -c 'import json, sys; print([r["slots"]["main"]["content"][:16] for r in json.load(sys.stdin)["query"]["pages"][0]["revisions"]])')" "['text 3 of page 7', 'text 2 of page 7', 'text 1 of page 7']"
  url=$(get "$ADDRESS/api.php?action=query&prop=imageinfo&titles=File:Bild_2.png&iiprop=url&format=json&formatversion=2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["query"]["pages"][0]["imageinfo"][0]["url"])')
  [[ $url == "$ADDRESS/"* ]] || die "the image's address is $url"
  get -o "$T/picture.png" "$url"
  cmp "$T/picture.png" "$T/pictures/Bild_2.png"
  [[ ! -e $T/ran-as-root ]] || die "the wiki's settings were run as root"
  checks=$((checks + 8))
  kill -- "-${pids[-1]}"; unset 'pids[-1]'
done
