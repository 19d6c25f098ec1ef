#!/usr/bin/env python3
"""restore_site does what its page says, and when it cannot, says why in one line and leaves nothing that looks like a site."""
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

PROGRAM = os.path.join(os.environ["BK_SOURCE"], "client/apps/restore_site")


class RestoreSite(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = folder.name
        self.dump = self.top + "/dump"
        os.makedirs(self.dump + "/site/conf")
        os.makedirs(self.dump + "/site/db")
        self.write("dump/site/conf/trac.ini", "[trac]\ndatabase = sqlite:db/trac.db\n")
        sqlite3.connect(self.dump + "/site/db/trac.db").close()
        self.write("dump/site.txt", "kind: trac\nfolder: /srv/trac\ndatabase: sqlite\nfile: /srv/trac/db/trac.db\n")
        self.target = self.top + "/target"

    def write(self, name, text):
        with open(os.path.join(self.top, name), "w", encoding="utf-8") as f:
            f.write(text)

    def run_it(self, *more):
        done = subprocess.run([PROGRAM, self.dump, self.target, *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout.decode()

    def refused(self, status, words, *more):
        got, text = self.run_it(*more)
        self.assertEqual((got, text.count("\n")), (status, 1), text)
        self.assertIn(words, text)

    def names(self, folder):
        return sorted(os.path.relpath(os.path.join(path, name), folder) for path, _, files in os.walk(folder) for name in files)

    def test_brings_the_files_back(self):
        self.assertEqual(self.run_it(), (0, ""))
        self.assertEqual(self.names(self.target), ["conf/trac.ini", "db/trac.db"])

    def test_what_a_cut_run_left_is_not_taken_for_the_site(self):
        os.makedirs(self.target + ".restoring/conf")
        self.write("target.restoring/conf/trac.ini", "half of it")
        self.write("target.restoring/old", "of another dump")
        self.assertEqual(self.run_it(), (0, ""))
        self.assertEqual(self.names(self.target), ["conf/trac.ini", "db/trac.db"])
        self.assertFalse(os.path.exists(self.target + ".restoring"))

    def test_a_target_that_is_not_empty_is_refused_before_a_database_is_touched(self):
        os.makedirs(self.target)
        self.write("target/mine", "")
        self.refused(64, "not empty")
        self.write("dump/site.txt", "kind: wordpress\nfolder: /srv/blog\ndatabase: mysql\nname: blog\n")
        self.refused(64, "not empty", "--database", "blog", "--access", self.top + "/not-there")
        self.assertEqual(self.names(self.target), ["mine"])

    def test_a_dump_that_does_not_say_what_it_is_is_refused(self):
        self.write("dump/site.txt", "folder: /srv/trac\n")
        self.refused(65, "site.txt has no line \"kind\"")
        self.write("dump/site.txt", "kind: forum\ndatabase: sqlite\n")
        self.refused(65, "is none of trac, wiki, wordpress")
        os.remove(self.dump + "/site.txt")
        self.refused(69, "no dump of backup_site")
        self.assertFalse(os.path.exists(self.target))

    def test_an_access_file_that_is_none_is_said_to_be(self):
        self.write("dump/site.txt", "kind: wordpress\nfolder: /srv/blog\ndatabase: mysql\nname: blog\n")
        self.write("access", "password without a section\n")
        self.refused(78, "access", "--database", "blog", "--access", self.top + "/access")
        self.refused(64, "--database and --access")
        self.assertFalse(os.path.exists(self.target))

    def test_no_symlink_of_the_site_leads_what_is_written_out_of_it(self):
        os.makedirs(self.top + "/live/conf")
        self.write("live/conf/trac.ini", "[trac]\ndatabase = live\n")
        self.write("dump/site.txt", "kind: wordpress\nfolder: /srv/blog\ndatabase: mysql\nname: blog\npart: linked/conf/trac.ini /etc/x\n")
        self.write("access", "[client]\nuser = u\n")
        os.makedirs(self.dump + "/linked/conf")
        self.write("dump/linked/conf/trac.ini", "[trac]\n")
        os.rename(self.dump + "/site/conf", self.dump + "/site/was")
        os.symlink(self.top + "/live/conf", self.dump + "/site/conf")
        self.refused(65, "leads out of the site", "--database", "blog", "--access", self.top + "/access")
        for part in ("../../out", "linked/..", "linked//tmp/x", "linked/", "/tmp/x", "a/../../x"):
            self.write("dump/site.txt", "kind: trac\nfolder: /srv/trac\ndatabase: sqlite\nfile: /srv/trac/db/trac.db\npart: %s /x\n" % part)
            self.refused(65, "no place in a site")
        with open(self.top + "/live/conf/trac.ini", encoding="utf-8") as f:
            self.assertEqual(f.read(), "[trac]\ndatabase = live\n")
        self.assertFalse(os.path.exists(self.target))

    def test_a_database_of_trac_that_lay_elsewhere_comes_into_the_environment(self):
        os.makedirs(self.dump + "/database")
        os.makedirs(self.top + "/live")
        self.write("live/my.db", "live")
        os.rename(self.dump + "/site/db/trac.db", self.dump + "/database/my.db")
        os.rmdir(self.dump + "/site/db")
        os.symlink(self.top + "/live", self.dump + "/site/db")
        self.write("dump/site/conf/trac.ini", "[trac]\ndatabase = sqlite:%s/live/my.db\n" % self.top)
        self.write("dump/site.txt", "kind: trac\nfolder: /srv/trac\ndatabase: sqlite\nfile: %s/live/my.db\n" % self.top)
        self.assertEqual(self.run_it(), (0, ""))
        self.assertEqual(self.names(self.target), ["conf/trac.ini", "db/my.db"])
        self.assertFalse(os.path.islink(self.target + "/db"))
        with open(self.target + "/conf/trac.ini", encoding="utf-8") as f:
            self.assertEqual(f.read(), "[trac]\ndatabase = sqlite:db/my.db\n")
        with open(self.top + "/live/my.db", encoding="utf-8") as f:
            self.assertEqual(f.read(), "live")

    def test_a_database_that_would_stay_the_one_of_the_old_site_is_said_to(self):
        os.makedirs(self.top + "/live")
        os.rename(self.dump + "/site/db/trac.db", self.top + "/live/trac.db")
        os.rmdir(self.dump + "/site/db")
        os.symlink(self.top + "/live", self.dump + "/site/db")
        self.refused(65, "leads out of the site")
        self.assertFalse(os.path.exists(self.target))

    def test_an_owner_that_is_none_is_said_before_a_database_is_touched(self):
        self.write("dump/site.txt", "kind: wordpress\nfolder: /srv/blog\ndatabase: mysql\nname: blog\n")
        self.write("dump/site/wp-config.php", "<?php\n")
        self.write("access", "[client]\nuser = u\nsocket = %s/none\n" % self.top)
        got, text = self.run_it("--database", "blog", "--access", self.top + "/access", "--owner", "no such user")
        self.assertEqual(got, 74)
        self.assertIn("restore_site: chown ended with status 1", text)

    def test_a_wrong_command_line_is_64(self):
        self.assertEqual(self.run_it("--nothing")[0], 64)


def loaded():
    sys.dont_write_bytecode = True
    loader = SourceFileLoader("restore_site", PROGRAM)
    program = module_from_spec(spec_from_loader("restore_site", loader))
    loader.exec_module(program)
    return program


class Configuration(unittest.TestCase):
    def test_each_statement_that_sets_a_value_gets_the_new_one_whatever_stands_around(self):
        program = loaded()
        text = "<?php\n// $a = 'no';\n$a = __DIR__ . '/x' . \"y;\"; $b = '$a = 1;'; /* $a = 2; */ if ($a == 3) { $a = \"$b\"; }\n"
        self.assertEqual(program.assign(text, "a", "it's"),
                         "<?php\n// $a = 'no';\n$a = 'it\\'s'; $b = '$a = 1;'; /* $a = 2; */ if ($a == 3) { $a = 'it\\'s'; }\n")
        self.assertEqual(program.assign("<?php\n$ab = 1;\n", "a", "x"), "<?php\n$a = 'x';\n$ab = 1;\n")
        text = "<?php if (!defined('A')) define( 'A', getenv('A') ?: 'b)' ) ; define('AB', 'A');"
        self.assertEqual(program.define(text, "A", "x"), "<?php if (!defined('A')) define('A', 'x'); define('AB', 'A');")

    def test_the_database_of_trac_stands_in_its_section_only_once(self):
        change = loaded().set_trac_database
        self.assertEqual(change("[a]\ndatabase = no\n[trac]\nx = 1\ndatabase = old\n  more\ny = 2\n[b]\ndatabase = no\n", "new"),
                         "[a]\ndatabase = no\n[trac]\nx = 1\ndatabase = new\ny = 2\n[b]\ndatabase = no\n")
        self.assertEqual(change("[trac]\nx = 1\n", "new"), "[trac]\ndatabase = new\nx = 1\n")
        self.assertEqual(change("[a]\nx = 1\n", "new"), "[trac]\ndatabase = new\n\n[a]\nx = 1\n")

    def test_a_pgpass_file_says_the_account_of_a_name_or_a_connection_string(self):
        program = loaded()
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/pass", "w", encoding="utf-8") as f:
                f.write("# of two\nother:5433:*:olga:o\n*:*:wiki:anna:a\\:\\\\b\n")
            seen = lambda text: (lambda d: (d.server, d.port, d.name, d.user, d.password))(program.Postgres(folder + "/pass", text))
            self.assertEqual(seen("wiki"), ("other", "5433", "wiki", "olga", "o"))
            self.assertEqual(seen("host=/run/pg dbname = 'wiki'"), ("/run/pg", "", "wiki", "anna", "a:\\b"))
            self.assertEqual(seen("postgresql://anna@db:1/wiki"), ("db", "1", "wiki", "anna", "a:\\b"))
            with self.assertRaises(program.Trouble):
                seen("host=db dbname=else")

    def test_an_address_moves_in_serialized_values_and_in_json(self):
        moved = lambda text: loaded().replaced(text, b"http://old", b"https://new.example")
        self.assertEqual(moved(b'a:1:{s:1:"a";s:12:"http://old/x";}'), b'a:1:{s:1:"a";s:21:"https://new.example/x";}')
        self.assertEqual(moved(b'{"a":"http:\\/\\/old\\/x"} http://old/'), b'{"a":"https:\\/\\/new.example\\/x"} https://new.example/')

    def test_a_symlink_that_waits_where_settings_are_written_is_not_followed(self):
        program = loaded()
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("victim", "mine"), ("wp-config.php", "old")):
                with open(folder + "/" + name, "w", encoding="utf-8") as f:
                    f.write(text)
            os.symlink("victim", folder + "/wp-config.php.new")
            program.rewrite(folder + "/wp-config.php", lambda text: text + " and new")
            for name, text in (("victim", "mine"), ("wp-config.php", "old and new")):
                with open(folder + "/" + name, encoding="utf-8") as f:
                    self.assertEqual(f.read(), text)
            self.assertEqual(sorted(os.listdir(folder)), ["victim", "wp-config.php", "wp-config.php.new"])

    def test_a_file_with_a_password_is_never_readable_by_others_meanwhile(self):
        program = loaded()
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/wp-config.php"
            with open(path, "w", encoding="utf-8") as f:
                f.write("old")
            os.chmod(path, 0o640)
            seen, chmod, umask = [], os.chmod, os.umask(0)
            os.chmod = lambda *words: (seen.append(os.stat(words[0]).st_mode & 0o777), chmod(*words))
            try:
                program.rewrite(path, lambda text: text + " and new")
            finally:
                os.chmod = chmod
                os.umask(umask)
            self.assertEqual(seen, [0o600])
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)


if __name__ == "__main__":
    unittest.main()
