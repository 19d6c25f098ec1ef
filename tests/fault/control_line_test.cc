// The control line cut in every way we know of.  After each cut: no false success (nothing is acknowledged,
// the round fails or says what it knows), no hang beyond the deadline; and when the fault is gone, every
// request stands in TODO exactly once and is acknowledged.
#include "tests/fault/control_rig_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>

namespace bk {
namespace {

using namespace std::chrono_literals;
using proto::Outcome;

constexpr int kRequests = 60;  // a pack of some 20 KB: longer than the 3,000 bytes after which it is cut

class ControlLine : public testing::Test {
 protected:
  ControlLine() {
    // Every command of the line passes this gate.  The pid of the connection's sshd is known to hooks.
    replace_durably(gate_,
                    "#!/bin/bash\nexport LINE_SSHD=$PPID\nFAR='" + home_.repository() + "'\n[ -e '" + fault_ +
                        "' ] && . '" + fault_ + "'\neval \"exec $SSH_ORIGINAL_COMMAND\"\n",
                    0755);
    rig_.server.authorize({"restrict,command=\"" + gate_ + "\" " + test::public_key(rig_.server.identity())});
    for (int i = 0; i < kRequests; ++i) rig_.ledger.ask("/srv/data/" + std::to_string(i));
  }

  // What the far side does instead of receiving a push, in bash.
  void when_pushed(const std::string& text) const {
    replace_durably(fault_, "case \"$SSH_ORIGINAL_COMMAND\" in git-receive-pack*)\n" + text + "\n;; esac\n");
  }
  void when_fetched(const std::string& text) const {
    replace_durably(fault_, "case \"$SSH_ORIGINAL_COMMAND\" in git-upload-pack*)\n" + text + "\n;; esac\n");
  }
  void hook(const std::string& name, const std::string& text) const {
    replace_durably(home_.hooks() + "/" + name, "#!/bin/bash\n" + text + "\n", 0755);
  }
  // One round that must fail, in time; returns why.
  Error round_fails(std::chrono::milliseconds timeout = 8s) {
    client::ControlTarget target = rig_.target();
    target.timeout = timeout;
    const auto begin = std::chrono::steady_clock::now();
    std::optional<Error> thrown;
    try {
      (void)client::run_round(target, rig_.ledger);
    } catch (const Error& error) {
      thrown = error;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, timeout + 6s) << "a hang";
    EXPECT_TRUE(rig_.ledger.outcomes.empty()) << "I1: nothing was taken, so nothing may be acknowledged";
    if (thrown) return *thrown;
    ADD_FAILURE() << "a false success";
    return {Kind::Usage, ""};
  }
  // The fault is over: some ordinary rounds, and everything is where it belongs.
  void heals() {
    remove_durably(fault_);
    for (const std::string& name : list_directory(home_.hooks())) remove_durably(home_.hooks() + "/" + name);
    hook("post-receive", "exit 0");
    for (int i = 0; i < 3 && rig_.ledger.outcomes.size() < rig_.ledger.requests.size(); ++i) {
      (void)rig_.round();
      home_.ingest();
      (void)rig_.round();
    }
    std::multiset<std::string> all;
    for (const proto::Request& request : rig_.ledger.requests) {
      all.insert(request.id);
      EXPECT_EQ(rig_.ledger.outcomes[request.id], Outcome::Taken) << request.id;
    }
    EXPECT_EQ(home_.todo(), all) << "lost, or run twice";
  }

  test::TempDir dir_;
  test::ServerHome home_{dir_.file("server")};
  test::ControlRig rig_{home_.repository()};
  std::string gate_ = dir_.file("gate");
  std::string fault_ = dir_.file("fault");
};

// Known problem 1 of the systems that Backline replaces: "if the control line drops suddenly, git returns no
// non-zero code, so the failure cannot be detected".
TEST_F(ControlLine, KnownProblem1ALineThatDropsSuddenlyIsNeverTakenForSuccess) {
  when_pushed("head -c 3000 | git-receive-pack $FAR; kill -9 $LINE_SSHD; exit 0");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  EXPECT_TRUE(home_.todo().empty());
  heals();
}

TEST_F(ControlLine, TheSshdKilledWhenAllWasSent) {
  hook("pre-receive", "kill -9 $LINE_SSHD");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, ReceivePackKilledInMidPack) {
  when_pushed("head -c 3000 | git-receive-pack $FAR; kill -9 $$");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, TheFarSideEndsInMidPackWithStatusZero) {
  when_pushed("head -c 3000 | git-receive-pack $FAR; exit 0");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  heals();
}

// The stock transport of libgit2 waits for ever here.
TEST_F(ControlLine, TheFarSideExitsEarly) {
  when_pushed("git-receive-pack $FAR </dev/null; exit 3");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  when_pushed("exit 0");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, KilledAfterTheRefWasWrittenAndBeforeTheReport) {
  hook("reference-transaction", "[ \"$1\" = committed ] && kill -9 $LINE_SSHD; exit 0");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  EXPECT_TRUE(rig_.far().ref(test::ControlRig::kRequests)) << "the state is unknown, and here it did move";
  heals();
}

TEST_F(ControlLine, TheSshdFrozenDuringThePush) {
  hook("pre-receive", "kill -STOP $LINE_SSHD; exec sleep 1");
  EXPECT_EQ(round_fails(1500ms).kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, ReceivePackFrozenWhileWeSend) {
  when_pushed("git-receive-pack $FAR </dev/null; exec sleep 30");
  EXPECT_EQ(round_fails(1500ms).kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, TheSshdFrozenDuringTheFetch) {
  when_fetched("kill -STOP $LINE_SSHD; exec sleep 1");
  EXPECT_EQ(round_fails(1500ms).kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, TheFetchCutInItsMiddle) {
  when_fetched("git-upload-pack $FAR | head -c 20; exit 0");
  EXPECT_EQ(round_fails(2s).kind(), Kind::Transient);
  when_fetched("kill -9 $LINE_SSHD");
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  heals();
}

TEST_F(ControlLine, RefusedByAPreReceiveOrUpdateHook) {
  for (const char* name : {"pre-receive", "update"}) {
    hook(name, "echo not now >&2; exit 1");
    const Error error = round_fails();
    EXPECT_EQ(error.kind(), Kind::Refused) << name;
    EXPECT_NE(std::string(error.what()).find("not now"), std::string::npos) << error.what();
    remove_durably(home_.hooks() + "/" + name);
  }
  heals();
}

TEST_F(ControlLine, AHookThatDiesIsARefusal) {
  hook("pre-receive", "kill -9 $$");
  EXPECT_EQ(round_fails().kind(), Kind::Refused);
  heals();
}

TEST_F(ControlLine, AFarSideThatReportsNothingIsNotBelieved) {
  // Neither side learns that the other knows reports, so receive-pack takes the push and says nothing at the
  // end.
  replace_durably(dir_.file("hide"),
                  "#!/usr/bin/perl\nwhile (sysread(STDIN, $b, 65536)) "
                  "{ $b =~ s/report-status/rep0rt-status/g; syswrite(STDOUT, $b) }\n",
                  0755);
  const std::string hide = dir_.file("hide");
  when_pushed(hide + " | git-receive-pack $FAR | " + hide + "; exit 0");
  const Error error = round_fails();
  EXPECT_EQ(error.kind(), Kind::Transient);
  EXPECT_TRUE(rig_.far().ref(test::ControlRig::kRequests)) << error.what();
  heals();
}

TEST_F(ControlLine, AFailingPostReceiveHookAcknowledgesNothing) {
  hook("post-receive", "exit 1");
  EXPECT_EQ(rig_.round().pushed, static_cast<std::size_t>(kRequests));
  EXPECT_TRUE(rig_.ledger.outcomes.empty()) << "pushed is not acknowledged (I1)";
  heals();
}

TEST_F(ControlLine, TheSshdKilledInThePostReceiveHook) {
  hook("post-receive", "kill -9 $LINE_SSHD; exit 0");
  // Whether the report was read before the line broke is a matter of time; nothing is acknowledged either
  // way.
  try {
    (void)rig_.round();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient);
  }
  EXPECT_TRUE(rig_.ledger.outcomes.empty());
  heals();
}

TEST_F(ControlLine, TheServerIsDown) {
  rig_.server.stop();
  EXPECT_EQ(round_fails().kind(), Kind::Transient);
  rig_.server.start();
  heals();
}

TEST_F(ControlLine, TheKeyIsNoLongerAccepted) {
  rig_.server.authorize({});
  EXPECT_EQ(round_fails().kind(), Kind::Refused);
  rig_.server.authorize({"restrict,command=\"" + gate_ + "\" " + test::public_key(rig_.server.identity())});
  heals();
}

TEST_F(ControlLine, TheClientKilledAtEachOfItsSteps) {
  for (const char* step : {"control.fetched", "control.committed", "control.pushed", "control.fetched:2"}) {
    EXPECT_EXIT(
        {
          ::setenv("BACKLINE_CRASH_AT", step, 1);
          (void)rig_.round();
          std::_Exit(0);
        },
        testing::KilledBySignal(SIGKILL), "")
        << step;
  }
  heals();
}

TEST_F(ControlLine, TheClientKilledWhileItsRepositoryIsMadeAnew) {
  (void)rig_.round();
  remove_durably(rig_.target().repository + "/HEAD");
  EXPECT_EXIT(
      {
        ::setenv("BACKLINE_CRASH_AT", "control.forgotten", 1);
        (void)rig_.round();
        std::_Exit(0);
      },
      testing::KilledBySignal(SIGKILL), "");
  heals();
}

}  // namespace
}  // namespace bk
