#!/usr/bin/env bash
# Goal: a real WordPress with posts, images and a plugin's serialized option, saved with its MariaDB while posts and images come and go, restored by its page's command under another address and answering there.
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/mariadb.sh"
mariadb_or_skip
[[ -f /usr/share/wordpress/wp-load.php ]] && type -P php >/dev/null && type -P curl >/dev/null || skip "WordPress, php or curl is not installed (setup/packages: optional)"
[[ $EUID == 0 ]] || skip "needs root: the site has a user of its own"
chmod 755 "$T"
mariadb_up "$T/db"
lab_up
port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
web=()
serve() { # FOLDER PORT
  PHP_CLI_SERVER_WORKERS=3 setsid setpriv --reuid=www-data --regid=www-data --clear-groups php -d sendmail_path=/bin/true -S "127.0.0.1:$2" -t "$1" >>"$T/web.log" 2>&1 &
  web+=($!)
  for _ in $(seq 200); do curl -s -m 20 --noproxy '*' -o /dev/null "http://127.0.0.1:$2/readme.html" && return; sleep 0.05; done
  die "php does not answer"
}
ending() { touch "$T/stop"; for pid in "${web[@]}"; do kill -- "-$pid" 2>/dev/null; done; mariadb_down "$T/db"; }

say "a site of its own, with its own account"
old=$(port) new=$(port) site=$T/www/blog
mkdir -p "$T/www"; cp -rL /usr/share/wordpress "$site" 2>/dev/null || true
cp -rnL /var/lib/wordpress/wp-content/. "$site/wp-content/" 2>/dev/null || true
mkdir -p "$site/wp-content/uploads"; rm -f "$site/.htaccess" "$site/wp-config.php"
# words that a careless reader of the file would stumble over
password="it's \"odd\" \\ \$5; # // ü"
MARIADB() { mariadb --no-defaults -u root "$@"; }
MARIADB -e "CREATE DATABASE blog; CREATE DATABASE moved; CREATE USER wp@localhost IDENTIFIED BY 'x'; GRANT ALL ON blog.* TO wp@localhost; GRANT ALL ON moved.* TO wp@localhost"
python3 - "$site/wp-config.php" "$password" "$MYSQL_UNIX_PORT" "$T/password.sql" <<'PY'
import sys
path, password, sock, sql = sys.argv[1:]
quoted = password.replace("\\", "\\\\").replace("'", "\\'")
open(sql, "w").write("ALTER USER wp@localhost IDENTIFIED BY '%s';\n" % quoted)
open(path, "w").write("""<?php
// define('DB_NAME', 'not this one');
define( 'DB_NAME', "blog" ); define('DB_USER', 'wp'); /* define('DB_USER', 'nobody'); */
define('DB_PASSWORD', '%s');
define('DB_HOST', 'localhost:%s');
define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('AUTOMATIC_UPDATER_DISABLED', true); define('DISABLE_WP_CRON', true);
$table_prefix = 'site_';
if ( ! defined( 'ABSPATH' ) ) { define( 'ABSPATH', __DIR__ . '/' ); }
if (is_writable('/root')) { touch('%s'); }
require_once ABSPATH . 'wp-settings.php';
""" % (quoted, sock, sql + '.ran-as-root'))
PY
MARIADB <"$T/password.sql"
chown -R www-data: "$T/www"
serve "$site" "$old"
curl -fsS -m 120 --noproxy '*' -o "$T/install.html" "http://127.0.0.1:$old/wp-admin/install.php?step=2" -d weblog_title=Blog -d user_name=admin -d admin_password=secret-secret -d admin_password2=secret-secret \
  -d pw_weak=1 -d admin_email=admin@example.test -d blog_public=0 -d language= -d Submit=Install
grep -q Success "$T/install.html" || die "WordPress is not installed"
cat >"$T/fill.php" <<'PHP'
<?php
[$_, $site, $address, $n] = $argv;
$_SERVER += ['HTTP_HOST' => substr($address, 7), 'REQUEST_METHOD' => 'GET', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_URI' => '/'];
require $site . '/wp-load.php'; require_once ABSPATH . 'wp-admin/includes/image.php';
for ($i = 1; $i <= $n; $i++) {
  $picture = imagecreatetruecolor(300, 200); imagefilledellipse($picture, 150, 100, 10 * $i, 90, 0xff0000 + $i);
  ob_start(); imagejpeg($picture); $up = wp_upload_bits("picture-$i.jpg", null, ob_get_clean());
  $id = wp_insert_attachment(['post_mime_type' => 'image/jpeg', 'post_title' => "Picture $i", 'post_status' => 'inherit'], $up['file']);
  wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $up['file']));
  wp_insert_post(['post_title' => "Entry $i Ü 😀", 'post_status' => 'publish', 'post_content' => '<p>Text "quoted" \\ ' . $i . '</p>' . wp_get_attachment_image($id, 'full')]);
}
update_option('plugin_settings', ['home' => $address . '/shop', 'list' => [1, 'ü' => $address], 'quote' => 'a";s:3:"b']);
PHP
fill() { setpriv --reuid=www-data --regid=www-data --clear-groups php "$T/fill.php" "$1" "$2" "$3"; }
fill "$site" "http://127.0.0.1:$old" 12

# posts and images come and go, by WordPress itself
cat >"$T/live.php" <<'PHP'
<?php
[$_, $site, $address, $stop, $told] = $argv;
$_SERVER += ['HTTP_HOST' => substr($address, 7), 'REQUEST_METHOD' => 'GET', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_URI' => '/'];
require $site . '/wp-load.php'; require_once ABSPATH . 'wp-admin/includes/image.php';
$made = [];
for ($i = 1; !file_exists($stop); $i++) {
  $picture = imagecreatetruecolor(400, 300); imagefilledellipse($picture, 150, 100, 10 + $i, 90, 0xff0000 + $i);
  ob_start(); imagejpeg($picture); $up = wp_upload_bits("live-$i.jpg", null, ob_get_clean());
  $id = wp_insert_attachment(['post_mime_type' => 'image/jpeg', 'post_title' => "Live $i", 'post_status' => 'inherit'], $up['file']);
  wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $up['file']));
  wp_insert_post(['post_title' => "Live $i", 'post_status' => 'private', 'post_content' => wp_get_attachment_image($id, 'full')]);
  $made[] = $id;
  if ($i > 8 && $i <= 16) wp_delete_attachment(array_shift($made), true);  // what was there before
  file_put_contents($told, "$i");
}
PHP
# every attachment that the database knows, in all its sizes
cat >"$T/judge.php" <<'PHP'
<?php
[$_, $site, $address] = $argv;
$_SERVER += ['HTTP_HOST' => substr($address, 7), 'REQUEST_METHOD' => 'GET', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_URI' => '/'];
require $site . '/wp-load.php';
$live = 0;
foreach (get_posts(['post_type' => 'attachment', 'post_status' => 'any', 'numberposts' => -1]) as $post) {
  $file = get_attached_file($post->ID); $files = [$file];
  foreach (wp_get_attachment_metadata($post->ID)['sizes'] ?? [] as $size) $files[] = dirname($file) . '/' . $size['file'];
  foreach ($files as $one) if (!$one || !is_file($one) || !@getimagesize($one)) echo "not there: $post->post_title $one\n";
  if (str_starts_with($post->post_title, 'Live')) $live++;
}
echo "live $live\n";
PHP

say "saved while it is written"
touch "$T/told"; chown www-data: "$T/told"
setsid setpriv --reuid=www-data --regid=www-data --clear-groups php "$T/live.php" "$site" "http://127.0.0.1:$old" "$T/stop" "$T/told" >"$T/live.log" 2>&1 & writer=$!
for _ in $(seq 400); do (($(cat "$T/told") >= 8)) 2>/dev/null && break; kill -0 "$writer" 2>/dev/null || { cat "$T/live.log"; die "the writer has ended"; }; sleep 0.1; done
paths_of "$C1" wordpress "$site"
grep -q '^\[module.wordpress\]' "$C1/backupconfig.toml" || printf '\n[module.wordpress]\npaths = ["%s"]\n' "$site" >>"$C1/backupconfig.toml"
(for i in $(seq 40); do curl -s -m 20 --noproxy '*' -o /dev/null "http://127.0.0.1:$old/?s=$i"; done) & busy=$!
one_round "$C1" "$S1" wordpress
wait "$busy" || true
kill -0 "$writer" 2>/dev/null || { cat "$T/live.log"; die "the writer has ended"; }
touch "$T/stop"; wait "$writer" || { cat "$T/live.log"; die "the writer"; }
echo "   $(cat "$T/told") posts and images written meanwhile"
nothing_left "$C1" "$S1" client1
spool=$(find "$C1/spool" -name database.sql)
[[ -s $spool ]] || die "no dump in the spool"
[[ ! -e $(dirname "$(dirname "$spool")")/access ]] || die "the password lies in the spool"
! grep -rqF "$password" "$C1/log" || die "the password stands in a log"

say "restored by the page's command, under another address, and answering there"
DUMP=$(export_source "$S1" "$site" "$T/dump") TARGET=$T/www/moved DATABASE=moved ACCESS=$T/access.cnf ADDRESS=http://127.0.0.1:$new OWNER=www-data:
python3 - "$ACCESS" "$password" "$MYSQL_UNIX_PORT" <<'PY'
import os, sys
os.umask(0o077)
open(sys.argv[1], "w").write('[client]\nuser=wp\npassword="%s"\nsocket=%s\n' % (sys.argv[2].replace("\\", "\\\\").replace('"', '\\"'), sys.argv[3]))
PY
export DUMP TARGET DATABASE ACCESS ADDRESS OWNER
run_block modules/wordpress.md sh
MARIADB -e "DROP DATABASE blog"
for pid in "${web[@]}"; do kill -- "-$pid"; done; web=()
serve "$TARGET" "$new"
curl -fsS -m 60 --noproxy '*' "$ADDRESS/" >"$T/front.html"
grep -q 'Entry 12 Ü 😀' "$T/front.html" || die "the front page lacks the newest entry"
! grep -q "127.0.0.1:$old" "$T/front.html" || die "the front page leads to the old address"
entry=$(grep -o "$ADDRESS/[^\" ]*entry-12[^\" ]*" "$T/front.html" | head -1 || true)
curl -fsS -m 60 --noproxy '*' "$entry" >"$T/entry.html"
grep -q 'Text "quoted"\|Text &#8220;quoted' "$T/entry.html" || die "the entry's text is not there"
picture=$(grep -o "$ADDRESS/wp-content/uploads/[^\" ]*picture-12[^\" ]*jpg" "$T/entry.html" | head -1 || true)
[[ -n $picture ]] || die "the entry has no picture at the new address"
curl -fsS -m 60 --noproxy '*' -o "$T/picture.jpg" "$picture"
cmp "$T/picture.jpg" "$site/wp-content/uploads/${picture#*/uploads/}"
cat >"$T/ask.php" <<'PHP'
<?php [$_, $site, $address] = $argv;
$_SERVER += ['HTTP_HOST' => substr($address, 7), 'REQUEST_METHOD' => 'GET', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_URI' => '/'];
require $site . '/wp-load.php';
echo json_encode([get_option('plugin_settings'), (int)wp_count_posts()->publish], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
PHP
same "$(setpriv --reuid=www-data --regid=www-data --clear-groups php "$T/ask.php" "$TARGET" "$ADDRESS")" \
  "[{\"home\":\"$ADDRESS/shop\",\"list\":{\"0\":1,\"ü\":\"$ADDRESS\"},\"quote\":\"a\\\";s:3:\\\"b\"},13]"

exits 0 setpriv --reuid=www-data --regid=www-data --clear-groups php "$T/judge.php" "$TARGET" "$ADDRESS"
! grep 'not there' "$T/out" || die "rows without their files"
says '^live [1-9]'
[[ ! -e $T/password.sql.ran-as-root ]] || die "wp-config.php was run as root"

say "a password that is wrong, a server that is down, a configuration that is computed: never a success"
MARIADB -e "CREATE DATABASE blog; ALTER USER wp@localhost IDENTIFIED BY 'other'"
rm -f "$C1"/requests/*/F*
exits 0 "$C1/scripts/backup_it" wordpress ""
exits 75 "$C1/scripts/send_request" --now; says 'Access denied'
sed -i "s/define('DB_PASSWORD', .*/define('DB_PASSWORD', getenv('X'));/" "$site/wp-config.php"
exits 75 "$C1/scripts/send_request" --now; says 'DB_PASSWORD has no plain value'
same "$(snapshots_of "$S1" "$site")" 1
