// What a call refuses to do, and how it says so.
#pragma once

#include "common/error/error.h"

#include <gtest/gtest.h>

#include <string>

namespace bk::test {

// The message of the Error of that kind which `call` throws; anything else fails the test.
template <class Call>
std::string refused(Kind kind, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace bk::test
