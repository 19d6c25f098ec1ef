// What the configuration of a site says, found without running it.
#include "client/modules/site.h"

#include "client/modules/php_config.h"
#include "client/modules/site_database.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace bk::client {
namespace {

TEST(PhpConfig, PlainValuesAreFoundWhateverStandsAround) {
  const PhpConfig php(
      "text before <?php // define('A', 'no');\n# define('A', 'no');\n/* define('A', 'no'); */\n"
      "define( 'A' , \"x\\\"y\\$z\" ) ; DEFINE('B', 'it\\'s \\\\ \\n'); const C = 'c' . \"-\" . 5;\n"
      "$v = 'first'; $v = 'second'; define('D', __DIR__ . '/d'); define('E', dirname(__FILE__) . "
      "\"/$v/{$v}\");\n"
      "$h = <<<'END'\n$v = 'no'; define('A', 'no');\n  END;\ndefine('F', true); ?> define('A', 'html') <?php "
      "$w = \"$v\";",
      "/srv/w");
  EXPECT_EQ(php.constant("A"), "x\"y$z");
  EXPECT_EQ(php.constant("B"), "it's \\ \\n");
  EXPECT_EQ(php.constant("C"), "c-5");
  EXPECT_EQ(php.constant("D"), "/srv/w/d");
  EXPECT_EQ(php.constant("E"), "/srv/w/second/second");
  EXPECT_EQ(php.constant("F"), "1");
  EXPECT_EQ(php.variable("v"), "second");
  EXPECT_EQ(php.variable("w"), "second");
  EXPECT_EQ(php.constant("G"), std::nullopt);
}

TEST(PhpConfig, WhatIsComputedOrDiffersBetweenBranchesIsNotGuessed) {
  const PhpConfig php(
      "<?php define('A', getenv('A')); $b = $_SERVER['x']; $c = 'c' . f(); $d = \"a$e[0]\";\n"
      "if (PHP_SAPI === 'cli') { define('F', '1'); $g = '1'; } else { define('F', '2'); $g = '2'; }\n"
      "$h = 'x'; if ($z) $h = 'y'; $i = 'x'; $i .= 'y'; if (!defined('J')) { define('J', 'j'); }",
      "/");
  for (const char* name : {"A", "F"}) EXPECT_THROW((void)php.constant(name), Error) << name;
  for (const char* name : {"b", "c", "d", "g", "h", "i"})
    EXPECT_THROW((void)php.variable(name), Error) << name;
  EXPECT_EQ(php.constant("J"), "j");
}

TEST(PhpConfig, ATextThatEndsInTheMiddleIsNoValue) {
  for (const char* text : {"<?php $a = 'x", "<?php $a = \"x", "<?php $a = <<<E\nx", "<?php define('a', 'x",
                           "<?php $a =", "<?php define(", "<?php /*", "<?php \"\\", "<?php \"{$", "<?php $"})
    EXPECT_NO_THROW(PhpConfig(text, "/")) << text;
  EXPECT_THROW((void)PhpConfig("<?php $a = 'x", "/").variable("a"), Error);
}

TEST(TracConfig, TheDatabaseIsReadAsTracDoes) {
  EXPECT_EQ(ini_value("[a]\ndatabase = no\n[trac]\n# database = no\ndatabase = sqlite:db/trac.db\n", "trac",
                      "database"),
            "sqlite:db/trac.db");
  EXPECT_EQ(ini_value("[trac]\nother = x\n database = y\n", "trac", "database"), "");
  EXPECT_EQ(parse_trac_database("sqlite:db/trac.db?journal_mode=wal", "/srv/t").files,
            std::vector<std::string>{"/srv/t/db/trac.db"});
  const SiteDatabase there =
      parse_trac_database("postgres://anna:p%40ss%3aw@db.example:5433/trac?schema=main", "/t");
  EXPECT_EQ(there.user, "anna");
  EXPECT_EQ(there.password, "p@ss:w");
  EXPECT_EQ(there.host, "db.example");
  EXPECT_EQ(there.port, 5433);
  EXPECT_EQ(there.name, "trac");
  EXPECT_EQ(parse_trac_database("postgres://u@/trac?host=/run/pg", "/t").socket, "/run/pg");
  for (const char* bad : {"", "sqlite:", "sqlite::memory:", "oracle://x/y", "postgres:x", "mysql://u:p@h"})
    EXPECT_THROW((void)parse_trac_database(bad, "/t"), Error) << bad;
}

TEST(MysqlHost, HasAPortOrASocket) {
  const auto parse = [](std::string_view text) {
    SiteDatabase out;
    parse_mysql_host(text, out);
    return out.host + "|" + std::to_string(out.port) + "|" + out.socket;
  };
  EXPECT_EQ(parse("localhost"), "localhost|0|");
  EXPECT_EQ(parse("db:3307"), "db|3307|");
  EXPECT_EQ(parse("localhost:/run/m.sock"), "localhost|0|/run/m.sock");
  EXPECT_EQ(parse(":/run/m.sock"), "|0|/run/m.sock");
  EXPECT_EQ(parse("[::1]:3306"), "::1|3306|");
  EXPECT_EQ(parse("::1"), "::1|0|");
  EXPECT_EQ(parse("p:db"), "db|0|");
  EXPECT_THROW((void)parse("db:x"), Error);
}

TEST(TracConfig, AnAccountInAnotherFileIsRefused) {
  EXPECT_THROW((void)parse_trac_database("mysql://h/trac?read_default_file=/etc/my.cnf", "/t"), Error);
  EXPECT_EQ(parse_trac_database("postgres://u@localhost/trac?host=/run/pg", "/t").socket, "/run/pg");
}

std::vector<std::string> parts_of(const Site& site) {
  std::vector<std::string> out;
  for (const Site::Part& part : site.parts) out.push_back(part.name + " " + base_name(part.folder));
  return out;
}

TEST(Site, WhatItsLinksLeadToOutsideBelongsToIt) {
  const test::TempDir dir;
  for (const char* folder : {"w/inner", "pictures", "etc"}) ensure_directory(dir.file(folder));
  replace_durably(dir.file("w/inner/x"), "x");
  replace_durably(dir.file("etc/w.php"), "<?php $wgDBname = 'w'; $wgDBuser = 'u'; $wgDBtype = 'postgres';");
  const auto link = [&](const std::string& to, const std::string& name) {
    EXPECT_EQ(::symlink(to.c_str(), dir.file(name).c_str()), 0);
  };
  link("../etc/w.php", "w/LocalSettings.php");
  link("inner", "w/images");
  EXPECT_EQ(parts_of(read_site("wiki", dir.file("w"))),
            std::vector<std::string>{"linked/LocalSettings.php w.php"});
  remove_tree(dir.file("w/images"));
  link(dir.file("pictures"), "w/images");
  EXPECT_EQ(parts_of(read_site("wiki", dir.file("w"))),
            (std::vector<std::string>{"linked/LocalSettings.php w.php", "linked/images pictures"}));
}

TEST(Site, DebiansWordPressIsRefusedWithAWordOnWhatToDo) {
  const test::TempDir dir;
  replace_durably(
      dir.file("wp-config.php"),
      "<?php $f = '/etc/wordpress/config-'.$x.'.php'; require($f); define('DB_NAME', 'wordpress');");
  try {
    (void)read_site("wordpress", dir.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    EXPECT_NE(std::string(error.what()).find("by module mysql"), std::string::npos) << error.what();
  }
}

TEST(SiteAdvice, NamesTheFileThatHoldsTheAccount) {
  const auto advice = [](SiteDatabase::Engine engine, const char* text) {
    return site_advice(engine, text, "/w/settings");
  };
  constexpr auto kMysql = SiteDatabase::Engine::Mysql;
  constexpr auto kPostgres = SiteDatabase::Engine::Postgres;
  EXPECT_EQ(advice(kMysql, "ERROR 1045 (28000): Access denied"),
            "check user and password in \"/w/settings\"");
  EXPECT_EQ(advice(kPostgres, "FATAL:  password authentication failed for user \"u\""),
            "check user and password in \"/w/settings\"");
  for (const auto& [engine, text] :
       {std::pair(kMysql, "Got error: 2002"), std::pair(kPostgres, "connection failed: Connection refused"),
        std::pair(kPostgres, "FATAL:  the database system is shutting down")})
    EXPECT_NE(advice(engine, text).find("is the server running?"), std::string::npos) << text;
  EXPECT_NE(advice(kPostgres, "FATAL:  database \"w\" does not exist").find("are user and database right"),
            std::string::npos);
  EXPECT_EQ(advice(kMysql, "something else"), "");
}

}  // namespace
}  // namespace bk::client
