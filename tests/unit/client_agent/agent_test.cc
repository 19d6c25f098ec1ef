// The agent as a server meets it: real git, real sftp-server, real Landlock; the far side is hostile.
#include "client/agent/access_log.h"
#include "client/agent/command.h"
#include "client/agent/confine.h"
#include "client/agent/consent.h"
#include "client/agent/guarded.h"
#include "client/queue/queue.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>

namespace bk::agent {
namespace {

TEST(AgentCommand, OnlyThreeCommandsAreKnownByteForByte) {
  EXPECT_EQ(parse_command("backline tree")->verb, AgentCommand::Verb::Tree);
  EXPECT_EQ(parse_command("backline sftp")->verb, AgentCommand::Verb::Sftp);
  const std::string ticket(64, '5');
  EXPECT_EQ(parse_command("backline stripe " + ticket)->verb, AgentCommand::Verb::Stripe);
  EXPECT_EQ(parse_command("backline stripe " + ticket)->ticket.hex(), ticket);
  for (const std::string& bad :
       {ticket + "5", ticket.substr(1), std::string(), " " + ticket, std::string(64, 'F')})
    EXPECT_FALSE(parse_command("backline stripe " + bad)) << bad;
  EXPECT_EQ(parse_command("git-upload-pack '/srv/a b.git'")->path, "/srv/a b.git");
  EXPECT_EQ(parse_command("git-upload-pack '/it'\\''s'")->path, "/it's");
  for (const char* bad : {"",
                          "backline",
                          "backline tree ",
                          " backline tree",
                          "backline tree\n",
                          "backline  tree",
                          "backline sftp; id",
                          "sh",
                          "git-upload-pack /srv",
                          "git-upload-pack '/srv",
                          "git-upload-pack '/srv' ",
                          "git-upload-pack '/srv'; id",
                          "git-upload-pack '/srv' '/x'",
                          "git-upload-pack '/srv/../etc'",
                          "git-upload-pack 'srv'",
                          "git-upload-pack '--help'",
                          "git-upload-pack '/srv/'",
                          "git-upload-pack ''",
                          "git-upload-pack '/a\nb'",
                          "git-upload-pack --strict '/srv'",
                          "git upload-pack '/srv'",
                          "git-receive-pack '/srv'",
                          "git-upload-archive '/srv'",
                          "git-upload-pack '/s\\rv",
                          "git-upload-pack \"/srv\"",
                          "internal-sftp",
                          "git-upload-pack '/srv'\\''",
                          "GIT-UPLOAD-PACK '/srv'"})
    EXPECT_FALSE(parse_command(bad)) << bad;
  EXPECT_FALSE(parse_command(std::string_view("backline tree\0", 14)));
}

client::Queued queued(const std::string& method, const std::string& place, client::Step step) {
  client::Queued item;
  item.request.module = "directories";
  item.request.name = place;
  item.request.method = method;
  item.request.place = place;
  item.step = step;
  return item;
}

client::ClientConfig config_with(const std::string& more) {
  return client::parse_config(
      "host='h'\n[server.main]\nurl='ssh://b@x/web1.git'\nhostkey='a "
      "b'\nidentity='k'\n[server.other]\nurl='ssh://b@y/"
      "web1.git'\nhostkey='a b'\nidentity='k'\n[module.directories]\nexclude=['*.o']\n" +
          more,
      "f", "/home/x");
}

TEST(Consent, IsWhatIsQueuedByThatMethodAndNothingElse) {
  const auto config = config_with("");
  const Consent c = make_consent(
      config, "main",
      {queued("rsync", "/srv/a", client::Step::Taken), queued("git", "/g.git", client::Step::Sent),
       queued("sftp", "/t/x", client::Step::Prepared),
       queued("rsync", "/srv/not-ready", client::Step::Preparing)});
  ASSERT_EQ(c.roots.size(), 1U);
  EXPECT_EQ(c.roots[0].path, "/srv/a");
  EXPECT_EQ(c.roots[0].exclude, std::vector<std::string>{"*.o"});
  EXPECT_TRUE(may_read_repository(c, "/g.git"));
  EXPECT_FALSE(may_read_repository(c, "/g.git/sub"));
  EXPECT_FALSE(may_read_repository(c, "/srv/a"));
  EXPECT_EQ(c.archives, std::vector<std::string>{"/t/x"});
  EXPECT_EQ(describe(make_consent(config, "other", {})), "nothing\n");
}

TEST(Consent, TheFileAddsAndDenyTakesAway) {
  const auto config = config_with(
      "[consent.main]\nroots=['/etc','/secret/root']\nrepositories=['/git']\ndeny=['/etc/shadow','/secret','/"
      "git/p']\n");
  const Consent c = make_consent(config, "main", {queued("sftp", "/secret/x", client::Step::Sent)});
  ASSERT_EQ(c.roots.size(), 1U);
  EXPECT_EQ(c.roots[0].deny, std::vector<std::string>{"/shadow"});
  EXPECT_TRUE(c.archives.empty());
  EXPECT_TRUE(may_read_repository(c, "/git/q.git"));
  EXPECT_FALSE(may_read_repository(c, "/git/p"));
  EXPECT_FALSE(may_read_repository(c, "/git/p/r.git"));
  EXPECT_FALSE(may_read_repository(c, "/gitx"));
}

TEST(Consent, PrivateKeysAndTheKernelsTreesNeedTheirNames) {
  const auto tree = [](const std::string& more, const std::string& place) {
    const Consent c = make_consent(config_with(more), "main", {queued("rsync", place, client::Step::Taken)});
    return c.roots.at(0);
  };
  EXPECT_TRUE(tree("", "/srv").guard_keys);
  EXPECT_EQ(tree("", "/").deny, (std::vector<std::string>{"/proc", "/sys"}));
  EXPECT_TRUE(tree("", "/srv").deny.empty());
  EXPECT_TRUE(tree("", "/proc/sys").deny.empty()) << "a root of its own is named";
  EXPECT_EQ(tree("[consent.main]\nallow=['/proc']\n", "/").deny, std::vector<std::string>{"/sys"});
  EXPECT_EQ(tree("[consent.main]\nallow=['/srv/a/.ssh','/etc']\n", "/srv").named,
            std::vector<std::string>{"a/.ssh"});
  EXPECT_EQ(tree("[consent.main]\nallow=['/srv']\n", "/srv").named, std::vector<std::string>{""});
  EXPECT_EQ(tree("[consent.main]\nallow=['/srv']\n", "/srv/a/b").named, std::vector<std::string>{""});
  EXPECT_TRUE(tree("[consent.main]\nallow=['/srv/a']\n", "/srv/ab").named.empty());
  EXPECT_EQ(tree("[consent.main]\nallow=['/srv']\ndeny=['/srv/x']\n", "/srv").deny,
            std::vector<std::string>{"/x"})
      << "deny is stronger";
}

TEST(Guarded, KeysAreKnownByTheirNamesAndTheirPublicHalvesAreNone) {
  for (const char* key : {"id_rsa", "id_ed25519", "id_ecdsa_sk", "identity", "ssh_host_rsa_key",
                          "ssh_host_ed25519_key", "private-keys-v1.d", "secring.gpg"})
    EXPECT_TRUE(is_private_key(key)) << key;
  for (const char* other : {"id_rsa.pub", "id_cards", "ssh_host_rsa_key.pub", "ssh_host_", "id_", "", "key"})
    EXPECT_FALSE(is_private_key(other)) << other;
}

// A client with one server, the agent as sshd would start it.
class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    char name[] = "/tmp/bk-agent-XXXXXX";
    home = ::mkdtemp(name);
    write("backupconfig.toml",
          "host='h'\n[server.main]\nurl='ssh://b@localhost/web1.git'\nhostkey='a b'\nidentity='k'\n");
    // git starts this instead of ssh; it does what sshd does with a forced command.
    write("ssh", "#!/bin/sh\nshift\nSSH_ORIGINAL_COMMAND=\"$*\" exec " + agent() + " --home " + home +
                     " --server main\n");
    (void)::chmod((home + "/ssh").c_str(), 0700);
  }
  ~AgentTest() override { remove_tree(home); }
  static std::string agent() { return std::string(BK_BIN_DIR) + "/backup_agent"; }

  void write(const std::string& relative, std::string_view bytes) {
    ensure_directory(parent_of(home + "/" + relative));
    replace_durably(home + "/" + relative, bytes);
  }
  Captured git(std::vector<std::string> argv) {
    argv.insert(argv.begin(), {"git", "-c", "user.name=t", "-c", "user.email=t@t"});
    std::vector<std::string> environment = base_environment(home);
    environment.push_back("GIT_SSH=" + home + "/ssh");
    environment.push_back("GIT_SSH_VARIANT=simple");  // host and command only
    environment.push_back("GIT_CONFIG_GLOBAL=/dev/null");
    return run_captured({std::move(argv), environment, home, -1, -1, -1, {}}, std::chrono::minutes(1));
  }
  Captured ask(const std::string& command, std::string_view input = {}) {
    std::vector<std::string> environment = base_environment(home);
    environment.push_back("SSH_ORIGINAL_COMMAND=" + command);
    return run_captured({{agent(), "--home", home, "--server", "main"}, environment, home, -1, -1, -1, {}},
                        std::chrono::minutes(1), 1U << 20U, input);
  }
  void queue(const std::string& method, const std::string& place) {
    client::Queue q(home, "main", "web1", clock, random);
    (void)q.add({{"git", place}});
    client::Queued item = q.begin(q.list("C").entries.at(0).item).value();
    client::adopt(item, {method, place, clock.now(), 1, std::string(64, 'a'), 0, {}});
    q.save(item);
  }
  // A repository with one commit.
  std::string repository(const std::string& relative) {
    const std::string path = home + "/" + relative;
    EXPECT_EQ(git({"init", "-q", "--bare", path}).status, 0);
    const Captured tree = git({"-C", path, "hash-object", "-t", "tree", "-w", "/dev/null"});
    const Captured commit = git({"-C", path, "commit-tree", "-m", relative, tree.out.substr(0, 40)});
    EXPECT_EQ(git({"-C", path, "update-ref", "refs/heads/main", commit.out.substr(0, 40)}).status, 0);
    EXPECT_EQ(git({"-C", path, "symbolic-ref", "HEAD", "refs/heads/main"}).status, 0);
    return path;
  }
  Captured clone(const std::string& path) {
    remove_tree(home + "/copy");
    return git({"clone", "-q", "--bare", "ssh://h" + path, home + "/copy"});
  }

  std::string home;
  SystemClock clock;
  SystemRandom random;
};

TEST_F(AgentTest, AConsentedRepositoryIsClonedAndOthersAreRefused) {
  const std::string mine = repository("mine.git");
  const std::string other = repository("other.git");
  queue("git", mine);
  const Captured good = clone(mine);
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(git({"-C", home + "/copy", "fsck", "--strict"}).status, 0);
  const Captured bad = clone(other);
  EXPECT_NE(bad.status, 0);
  EXPECT_NE(bad.err.find("no consent to read repository"), std::string::npos) << bad.err;
  EXPECT_EQ(ask("git-upload-pack '" + other + "'").status, kExitRefused);
  const std::string notices = read_file(home + "/log/notices");
  EXPECT_NE(notices.find("main was refused"), std::string::npos);
}

TEST_F(AgentTest, ARepositoryOfAnotherOwnerIsServed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a repository away";
  const std::string path = repository("foreign.git");
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  queue("git", path);
  const Captured got = clone(path);
  EXPECT_EQ(got.status, 0) << got.err;
}

TEST_F(AgentTest, ARepositorySwappedForASymlinkIsNotFollowed) {
  const std::string mine = repository("mine.git");
  const std::string other = repository("other.git");
  queue("git", mine);
  ASSERT_EQ(::rename(mine.c_str(), (mine + ".away").c_str()), 0);
  ASSERT_EQ(::symlink(other.c_str(), mine.c_str()), 0);
  EXPECT_NE(clone(mine).status, 0);
}

TEST_F(AgentTest, ARepositoryCannotReachOutsideByItsConfiguration) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const std::string mine = repository("mine.git");
  queue("git", mine);
  write("secret", "[core]\n\tbare = true\n");
  ASSERT_EQ(git({"-C", mine, "config", "include.path", home + "/secret"}).status, 0);
  EXPECT_NE(clone(mine).status, 0) << "the included file was read";
  ASSERT_EQ(git({"-C", mine, "config", "--unset", "include.path"}).status, 0);
  // A hook that would run on the client, set by whoever may write the repository's configuration.
  ASSERT_EQ(git({"-C", mine, "config", "uploadpack.packObjectsHook", "touch " + home + "/ran; exec"}).status,
            0);
  EXPECT_EQ(clone(mine).status, 0);
  EXPECT_FALSE(path_exists(home + "/ran"));
}

TEST_F(AgentTest, AlternatesAreReadOnlyWithinConsent) {
  const std::string lender = repository("lender.git");
  const std::string borrower = repository("borrower.git");
  write("borrower.git/objects/info/alternates", lender + "/objects\n");
  queue("git", borrower);
  const Captured refused = clone(borrower);
  EXPECT_NE(refused.status, 0);
  EXPECT_NE(refused.err.find("borrows objects from"), std::string::npos) << refused.err;
  queue("git", lender);
  const Captured served = clone(borrower);
  EXPECT_EQ(served.status, 0) << served.err;
}

TEST_F(AgentTest, HiddenBranchesAreServed) {
  const std::string mine = repository("mine.git");
  ASSERT_EQ(git({"-C", mine, "config", "transfer.hideRefs", "refs/heads/main"}).status, 0);
  queue("git", mine);
  EXPECT_NE(git({"ls-remote", "ssh://h" + mine}).out.find("refs/heads/main"), std::string::npos);
}

TEST_F(AgentTest, EveryOtherCommandIsRefusedInOneLine) {
  for (const char* command :
       {"id", "sh -c id", "backline tree; id", "git-receive-pack '/x'", "scp -f /etc/shadow"}) {
    const Captured got = ask(command);
    EXPECT_EQ(got.status, kExitRefused) << command;
    EXPECT_EQ(std::count(got.err.begin(), got.err.end(), '\n'), 1) << got.err;
    EXPECT_TRUE(got.out.empty());
  }
}

// -- SFTP, spoken by hand: a hostile server need not be polite

std::string u32(std::uint32_t v) {
  return {static_cast<char>(v >> 24U), static_cast<char>(v >> 16U), static_cast<char>(v >> 8U),
          static_cast<char>(v)};
}
std::string text(const std::string& s) { return u32(static_cast<std::uint32_t>(s.size())) + s; }
std::string packet(char type, const std::string& body) {
  return u32(static_cast<std::uint32_t>(body.size() + 1)) + type + body;
}
std::string hello() { return packet(1, u32(3)); }
std::string open_packet(const std::string& path, std::uint32_t flags) {
  return packet(3, u32(1) + text(path) + u32(flags) + u32(0));
}
// Types of the answers, in order; 2 version, 101 status, 102 handle, 103 data, 105 attributes.
std::vector<int> answers(const std::string& out) {
  std::vector<int> types;
  for (std::size_t at = 0; at + 5 <= out.size();) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(out[at + i]));
    };
    const std::uint32_t length = byte(0) << 24U | byte(1) << 16U | byte(2) << 8U | byte(3);
    types.push_back(static_cast<int>(byte(4)));
    at += 4 + length;
  }
  return types;
}

class SftpTest : public AgentTest {
 protected:
  // Sends, and reads answers until `count` came or the agent ended.  sftp-server drops its answers when its
  // input ends first, so the input stays open meanwhile.
  std::string talk(const std::string& packets, std::size_t count) {
    int in[2];
    int out[2];
    EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    Fd in_read(in[0]), in_write(in[1]), out_read(out[0]), out_write(out[1]);
    Command command{
        {agent(), "--home", home, "--server", "main"}, base_environment(home), home, in[0], out[1], -1, {}};
    command.environment.push_back("SSH_ORIGINAL_COMMAND=backline sftp");
    Child child = start(command);
    in_read.reset();
    out_write.reset();
    (void)::signal(SIGPIPE, SIG_IGN);
    (void)!::write(in_write.get(), packets.data(), packets.size());
    std::string got;
    char buffer[4096];
    while (answers(got).size() < count) {
      const ssize_t n = ::read(out_read.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      got.append(buffer, static_cast<std::size_t>(n));
    }
    in_write.reset();
    status = child.wait();
    return got;
  }
  int status = 0;
};

TEST_F(SftpTest, SftpReadsTheQueuedArchiveAndNothingElse) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const std::string archive = home + "/tmp/" + std::string(64, 'a');
  write("tmp/" + std::string(64, 'a'), "archive's bytes");
  write("tmp/" + std::string(64, 'b'), "another server's");
  queue("sftp", archive);
  const std::string read = packet(5, u32(2) + text(std::string(4, '\0')) + u32(0) + u32(0) + u32(100));
  const std::string got = talk(hello() + open_packet(archive, 1) + read, 3);
  EXPECT_EQ(answers(got), (std::vector<int>{2, 102, 103}));
  EXPECT_NE(got.find("archive's bytes"), std::string::npos);
  for (const std::string& path : {std::string("/etc/shadow"), home + "/backupconfig.toml",
                                  home + "/tmp/" + std::string(64, 'b'), home + "/tmp/../backupconfig.toml",
                                  std::string("/proc/self/environ"), std::string("/root/.ssh/id_rsa")}) {
    const std::string refused = talk(hello() + open_packet(path, 1) + read, 3);
    EXPECT_EQ(answers(refused), (std::vector<int>{2, 101, 101})) << path;
    EXPECT_EQ(refused.find("another server's"), std::string::npos);
  }
}

TEST_F(SftpTest, SftpWritesNothingAndTellsNothingAboutPaths) {
  const std::string archive = home + "/tmp/" + std::string(64, 'a');
  write("tmp/" + std::string(64, 'a'), "archive's bytes");
  queue("sftp", archive);
  const std::string remove = packet(13, u32(1) + text(archive));
  const std::string look = packet(17, u32(1) + text("/etc"));
  const std::string list = packet(11, u32(1) + text("/"));
  const std::string rename = packet(18, u32(1) + text(archive) + text(archive + "x"));
  for (const std::string& attempt :
       {open_packet(archive, 2 | 8), open_packet(home + "/new", 2 | 8), remove, look, list, rename}) {
    EXPECT_EQ(answers(talk(hello() + attempt, 2)), (std::vector<int>{2, 101}));
  }
  EXPECT_EQ(read_file(archive), "archive's bytes");
}

// A server that vanished without a word: the line stands, and carries nothing.
TEST_F(SftpTest, AProgramWhoseServerVanishedIsEnded) {
  const std::string archive = home + "/tmp/" + std::string(64, 'a');
  write("tmp/" + std::string(64, 'a'), "archive's bytes");
  queue("sftp", archive);
  const std::string repo = repository("mine.git");
  queue("git", repo);
  for (const std::string& command : {std::string("backline sftp"), "git-upload-pack '" + repo + "'"}) {
    int silent[2];
    ASSERT_EQ(::pipe2(silent, O_CLOEXEC), 0);
    const Fd in(silent[0]), never_closed(silent[1]);
    Command agent{{AgentTest::agent(), "--home", home, "--server", "main"},
                  base_environment(home),
                  home,
                  in.get(),
                  -1,
                  -1,
                  {}};
    agent.environment.push_back("SSH_ORIGINAL_COMMAND=" + command);
    agent.environment.emplace_back("BACKLINE_AGENT_IDLE_MS=300");
    EXPECT_EQ(start(agent).wait_for(std::chrono::seconds(30)), kExitTryLater) << command;
  }
}

TEST_F(SftpTest, ASymlinkInTheSpoolLeadsNowhere) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const std::string archive = home + "/tmp/" + std::string(64, 'a');
  ensure_directory(home + "/tmp");
  ASSERT_EQ(::symlink("/etc/shadow", archive.c_str()), 0);
  queue("sftp", archive);
  EXPECT_TRUE(talk(hello() + open_packet(archive, 1), 2).empty());
  EXPECT_NE(status, 0);
}

// "begins …" and "ends …" of the access log without times, processes and the server's name.
std::string accesses(const std::string& home) {
  std::string out;
  for (const std::string& file : list_directory(home + "/log")) {
    if (!file.starts_with("access-")) continue;
    const std::string text = read_file(home + "/log/" + file);
    for (std::size_t at = 0; (at = text.find("server=main from=- ", at)) != std::string::npos;) {
      const std::size_t word = text.rfind(' ', at - 2) + 1, end = text.find('\n', at);
      out += text.substr(word, at - word) + text.substr(at + 19, end - at - 18);
      at = end;
    }
  }
  return out;
}

TEST_F(SftpTest, TheAccessLogTellsWhatWasReadByEveryMethodAndWhatWasRefused) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const std::string repo = repository("mine.git"), archive = home + "/tmp/" + std::string(64, 'a');
  write("tmp/" + std::string(64, 'a'), "archive's bytes");
  queue("git", repo);
  queue("sftp", archive);
  const std::string read = packet(5, u32(2) + text(std::string(4, '\0')) + u32(0) + u32(0) + u32(100));
  const std::string close = packet(4, u32(3) + text(std::string(4, '\0')));
  (void)talk(hello() + open_packet(archive, 1) + read + close, 4);
  (void)talk(hello() + open_packet("/etc/shadow", 1), 2);
  const std::string sftp = "method=sftp place=\"" + archive + "\"";
  EXPECT_EQ(accesses(home),
            "begins " + sftp + "\nends " + sftp + " files=1 bytes=15 outcome=served\n" +
                "begins method=sftp place=\"/etc/shadow\"\n" +
                "ends method=sftp place=\"/etc/shadow\" bytes=0 outcome=\"Permission denied\"\n");
  remove_tree(home + "/log");
  ASSERT_EQ(clone(repo).status, 0);
  EXPECT_EQ(ask("git-upload-pack '/srv/x'\nserver=evil").status, kExitRefused);
  const std::string git = accesses(home), place = "method=git place=\"" + repo + "\"";
  EXPECT_EQ(git.find("begins " + place + "\nends " + place + " bytes="), 0U) << git;
  EXPECT_EQ(git.find(" bytes=0 "), std::string::npos) << git;
  EXPECT_NE(git.find(" outcome=served\nrefused asked=\"git-upload-pack '/srv/x'\\nserver=evil\" outcome="),
            std::string::npos)
      << git;
}

TEST(AccessLog, WhatSftpServerSaysIsReadExactly) {
  EXPECT_EQ(parse_sftp_event("open \"/a \" flags b\" flags READ mode 0666")->place, "/a \" flags b");
  const std::optional<SftpEvent> close =
      parse_sftp_event("close \"/a\" bytes read 1\" bytes read 77 written 0");
  ASSERT_TRUE(close);
  EXPECT_EQ(close->place, "/a\" bytes read 1");
  EXPECT_EQ(close->bytes, 77U);
  EXPECT_EQ(parse_sftp_event("forced close \"/a\" bytes read 5 written 0")->bytes, 5U);
  for (const char* other :
       {"", "open", "open \"", "close \"/a\"", "session opened for local user x from [y]"})
    EXPECT_FALSE(parse_sftp_event(other)) << other;
}

TEST_F(AgentTest, NothingQueuedIsNothingServed) {
  EXPECT_EQ(ask("backline sftp").status, kExitRefused);
  const Captured shown = run_captured({{agent(), "--home", home, "--server", "main", "--show-consent"},
                                       base_environment(home),
                                       home,
                                       -1,
                                       -1,
                                       -1,
                                       {}},
                                      std::chrono::minutes(1));
  EXPECT_EQ(shown.out, "nothing\n");
  EXPECT_FALSE(path_exists(home + "/requests")) << "the agent makes no folders";
}

}  // namespace
}  // namespace bk::agent
