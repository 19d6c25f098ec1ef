#!/usr/bin/env python3
"""Each lint fails when it should, and only then: tried on small trees made for it."""
import os
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import check_docs  # noqa: E402
import check_layers  # noqa: E402
import check_man  # noqa: E402
import check_skips  # noqa: E402
import check_steps  # noqa: E402
import check_tests  # noqa: E402
import skips  # noqa: E402


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bk-lint-")
        self.root = self.folder.name

    def tearDown(self):
        self.folder.cleanup()

    def put(self, path, text=""):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        return full

    def complains(self, check, part):
        self.assertTrue(any(part in c for c in check(self.root)), (part, check(self.root)))

    def silent(self, check):
        self.assertEqual(check(self.root), [])


class Steps(Tree):
    def test_equal_lists_pass(self):
        self.put("server/a.cc", 'crash_point("a.b");\nbatch.publish("a.c-d");\n')
        self.put("tests/fault/steps/a.txt", "a.b\na.c-d\n")
        self.silent(check_steps.check)

    def test_a_step_of_the_code_alone_is_named(self):
        self.put("server/a.cc", 'crash_point(\n    "a.b");\n')
        self.complains(check_steps.check, "server/a.cc: the step a.b")

    def test_a_step_of_the_list_alone_is_named(self):
        self.put("tests/fault/steps/a.txt", "a.b\n")
        self.complains(check_steps.check, "tests/fault/steps/a.txt:1: no code passes a.b")

    def test_a_step_stands_once(self):
        self.put("server/a.cc", 'crash_point("a.b");\n')
        self.put("tests/fault/steps/a.txt", "a.b\na.b\n")
        self.complains(check_steps.check, "stands at tests/fault/steps/a.txt:1, too")


class Layers(Tree):
    def test_allowed_includes_pass(self):
        self.put("server/todo/a.cc", '#include "server/todo/a.h"\n#include "proto/request/request.h"\n#include <string>\n')
        self.put("common/git/a.cc", "#include <git2.h>\n")
        self.silent(check_layers.check)

    def test_client_may_not_include_server(self):
        self.put("client/a.cc", '#include "server/todo/a.h"\n')
        self.complains(check_layers.check, "client/a.cc:1: client/ may not include server/todo/a.h")

    def test_common_may_not_include_proto(self):
        self.put("common/a.h", '\n#include "proto/a.h"\n')
        self.complains(check_layers.check, "common/a.h:2")

    def test_store_may_not_include_catalog(self):
        self.put("server/store/a.cc", '#include "server/catalog/catalog.h"\n')
        self.complains(check_layers.check, "server/store/ may not include")

    def test_nothing_includes_tests(self):
        self.put("server/todo/a.cc", '#include "tests/support/a.h"\n')
        self.complains(check_layers.check, "may not include tests/support/a.h")

    def test_a_library_has_one_folder(self):
        self.put("server/pull/a.cc", "#include <git2/refs.h>\n")
        self.complains(check_layers.check, "only common/git/ may include <git2/refs.h>")

    def test_raw_calls_stand_in_one_place(self):
        self.put("common/io/file.cc", "::rename(a, b);\n")
        self.silent(check_layers.check)
        self.put("server/todo/a.cc", "int x;\n(void)::rename(a, b);\n")
        self.complains(check_layers.check, "server/todo/a.cc:2: rename")

    def test_no_shell_anywhere(self):
        self.put("common/process/a.cc", "std::system(\"ls\");\n")
        self.complains(check_layers.check, "no shell")

    def test_comments_and_strings_may_talk(self):
        self.put("server/a.cc", '// rename(2) is atomic\nauto t = "fork() failed";\n/* system() */\n')
        self.silent(check_layers.check)


class Docs(Tree):
    def test_existing_paths_pass(self):
        self.put("docs/A.md", "See `common/io/file.h`, `file.h` and [B](B.md).\n")
        for path in ("docs/B.md", "common/io/file.h"):
            self.put(path)
        for folder in ("docs", "common", "common/io"):
            self.put(folder + "/README.md", "x\n")
        self.silent(check_docs.check)

    def test_a_lost_path_is_found(self):
        self.put("README.md", "See `common/io/gone.h`.\n")
        self.complains(check_docs.check, "common/io/gone.h does not exist")

    def test_a_lost_file_name_is_found(self):
        self.put("README.md", "See `gone.cc`.\n")
        self.complains(check_docs.check, "no file is named gone.cc")

    def test_a_lost_test_is_found(self):
        self.put("tests/unit/a_test.cc", "TEST(Gate, Holds) {}\n")
        self.put("docs/THREAT_MODEL.md", "`Gate.Holds` `Gate.Gone` `scenario:gone`\n")
        self.complains(check_docs.check, "there is no test Gate.Gone")
        self.complains(check_docs.check, "there is no test scenario:gone")

    def test_a_dead_link_is_found(self):
        self.put("README.md", "See [this](docs/gone.md).\n")
        self.complains(check_docs.check, "leads nowhere")

    def test_a_folder_needs_a_readme(self):
        self.put("server/todo/todo.cc")
        self.complains(check_docs.check, "server/todo/ has no README.md")

    def test_a_readme_is_a_screen(self):
        self.put("server/README.md", "line\n" * 100)
        self.complains(check_docs.check, "longer than a screen")


PAGE = """.Dd January 1, 2026
.Dt TOOL 1
.Os
.Sh NAME
.Nm tool
.Nd does it
.Sh SYNOPSIS
.Nm
.Op Fl Fl help
.Sh DESCRIPTION
It does it.
.Bl -tag -width Ds
.It Fl Fl help
Show this.
%s.El
"""


class Man(Tree):
    def setUp(self):
        super().setUp()
        path = self.put("bin/tool", "#!/bin/sh\necho 'tool: does it'; echo; echo 'Options:'; echo '  --help      show this'\n")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        os.environ["BK_BIN"] = os.path.join(self.root, "bin")

    def test_equal_options_pass(self):
        self.put("docs/man/tool.1", PAGE % "")
        self.silent(check_man.check)

    def test_an_option_too_many_is_found(self):
        self.put("docs/man/tool.1", PAGE % ".It Fl Fl extra\nMore.\n")
        self.complains(check_man.check, "--extra is no option")

    def test_an_option_too_few_is_found(self):
        self.put("docs/man/tool.1", (PAGE % "").replace(".It Fl Fl help", ".It Cm x"))
        self.complains(check_man.check, "--help is an option of --help, but not of the page")

    def test_a_missing_page_is_found(self):
        self.complains(check_man.check, "tool has no manual page")

    def test_bad_mdoc_is_found(self):
        self.put("docs/man/tool.1", (PAGE % "") + ".Xx nonsense\n")
        self.complains(check_man.check, "tool.1")

    def test_a_page_without_a_program_is_found(self):
        self.put("docs/man/tool.1", PAGE % "")
        self.put("docs/man/other.1", PAGE % "")
        self.complains(check_man.check, "describes a program that is not there")


class Tests(Tree):
    def test_registered_tests_pass(self):
        self.put("tests/unit/a/CMakeLists.txt", "bk_test(a SOURCES x_test.cc)\n")
        self.put("tests/unit/a/x_test.cc")
        self.silent(check_tests.check)

    def test_a_forgotten_test_is_found(self):
        self.put("tests/unit/a/CMakeLists.txt", "bk_test(a SOURCES xx_test.cc)\n")
        self.put("tests/unit/a/x_test.cc")
        self.complains(check_tests.check, "x_test.cc belongs to no target")

    def test_a_scenario_says_its_goal(self):
        self.put("tests/scenario/CMakeLists.txt", "bk_script_test(x SCRIPT 10-x.sh)\n")
        self.put("tests/scenario/10-x.sh", "#!/bin/bash\necho\n")
        self.complains(check_tests.check, "does not begin with its goal")

    def test_a_scenario_has_a_number_of_its_own(self):
        self.put("tests/scenario/CMakeLists.txt", "bk_script_test(x SCRIPT 10-x.sh)\nbk_script_test(y SCRIPT 10-y.sh)\n")
        for name in "xy":
            self.put("tests/scenario/10-%s.sh" % name, "#!/bin/bash\n# Goal: nothing\n")
        self.complains(check_tests.check, "have the same number")

    def test_a_fuzz_target_has_a_corpus(self):
        self.put("tests/fuzz/CMakeLists.txt", "bk_fuzz(x_fuzz SOURCES x_fuzz.cc)\n")
        self.put("tests/fuzz/x_fuzz.cc")
        self.complains(check_tests.check, "has no corpus")


class Skips(Tree):
    def test_only_announced_skips_pass(self):
        junit = self.put("r.xml", '<testsuite><testcase name="a" status="run"/><testcase name="b" status="notrun">'
                                  "<skipped/></testcase></testsuite>")
        self.assertEqual(list(skips.skipped(junit)), ["b"])
        self.assertEqual(skips.allowed(self.put("skips", "# why\nb  # no right\n")), {"b"})
        self.assertEqual(skips.unannounced(junit, {"b"}), [])
        self.assertEqual(skips.unannounced(junit, {"b.*", "a"}), ["b"])
        suite = self.put("r.xml", '<testsuite><testcase name="unit:S.N" status="notrun"/></testsuite>')
        self.assertEqual(skips.unannounced(suite, {"unit:S.*"}), [])

    def test_a_skip_is_one_of_a_test_that_exists(self):
        self.put("tests/unit/a/CMakeLists.txt", "bk_test(a SOURCES x_test.cc)\nforeach(fs ext4)\nbk_script_test(cut-${fs} LABEL fault SCRIPT c.py)\n"
                 "bk_test_run(long:all a)\n")
        self.put("tests/unit/a/x_test.cc", "TEST(Suite, Name) {}\n")
        self.put("tests/skips", "unit:Suite.Name  # why\nfault:cut-ext4  # why\nlong:all  # why\nunit:Suite.*  # why\n")
        self.silent(check_skips.check)
        for gone in ("unit:Suite.OldName", "unit:OldSuite.*"):
            self.put("tests/skips", gone + "  # why\n")
            self.complains(check_skips.check, gone + ", which no test is called")

    def test_a_test_that_may_be_skipped_is_announced(self):
        self.put("tests/unit/a/CMakeLists.txt", "bk_test(a SOURCES x_test.cc)\n")
        self.put("tests/unit/a/x_test.cc", "TEST(Suite, First) {}\nTEST(Suite, Name) {\n  if (no) GTEST_SKIP() << 1;\n}\n")
        self.put("tests/skips", "# none\n")
        self.complains(check_skips.check, "Suite.Name may be skipped")
        self.put("tests/skips", "unit:Suite.Name  # why\n")
        self.silent(check_skips.check)
        self.put("tests/unit/a/x_test.cc", 'TEST(Suite, Name) {\n  if (std::getenv("BK_ACCEPT")) {\n    GTEST_SKIP() << 1;\n  }\n}\n')
        self.put("tests/skips", "# none\n")
        self.silent(check_skips.check)

    def test_a_fixture_that_skips_is_announced_with_all_its_tests(self):
        self.put("tests/unit/a/CMakeLists.txt", "bk_test(a SOURCES x_test.cc)\n")
        self.put("tests/unit/a/x_test.cc", "class Rig : public testing::Test {\n  void SetUp() { GTEST_SKIP() << 1; }\n};\n"
                 "TEST_F(Rig, One) {}\nTEST_F(Rig, Two) {}\nTEST(Other, Three) {}\n")
        self.put("tests/skips", "unit:Rig.One  # why\n")
        self.assertEqual([c for c in check_skips.check(self.root) if "Rig.Two" not in c], [])
        self.complains(check_skips.check, "Rig.Two may be skipped")
        self.put("tests/skips", "unit:Rig.*  # why\n")
        self.silent(check_skips.check)

    def test_a_script_that_skips_is_announced_under_each_of_its_names(self):
        self.put("tests/scenario/CMakeLists.txt", "bk_script_test(x LABEL scenario SCRIPT 10-x.sh)\nbk_script_test(x-huge LABEL long SCRIPT 10-x.sh ARGS 9)\n")
        script = '#!/bin/bash\n# Goal: x\n[[ $EUID == 0 ]] || skip "needs root"%s\n'
        self.put("tests/scenario/10-x.sh", script % "")
        self.put("tests/skips", "scenario:x  # why\n")
        self.complains(check_skips.check, "long:x-huge may be skipped")
        self.put("tests/scenario/10-x.sh", script % "  # only as scenario:x")
        self.silent(check_skips.check)


if __name__ == "__main__":
    unittest.main()
