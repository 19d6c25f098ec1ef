// A real object store with the S3 interface (OpenStack Swift) on loopback, for as long as the object lives.
#pragma once

#include "common/io/fd.h"
#include "common/process/process.h"
#include "common/s3/s3.h"
#include "tests/support/temp_dir.h"

#include <map>
#include <optional>
#include <string>

namespace bk::test {

class Swift {
 public:
  // About three seconds.  `why_not` is set where the packages are missing.
  explicit Swift(bool tls = false);
  [[nodiscard]] const std::string& why_not() const { return why_not_; }
  // Reaches `bucket` with a right key; quick to give up.
  [[nodiscard]] s3::Settings settings(const std::string& bucket) const;
  [[nodiscard]] const std::string& value(const std::string& name) const { return env_.at(name); }
  // [default] of ~/.aws/credentials; the file's path.
  [[nodiscard]] std::string credentials_file() const;

 private:
  TempDir dir_;
  std::string why_not_;
  std::map<std::string, std::string> env_;
  Fd input_;  // it ends when this does
  std::optional<Child> child_;
};

}  // namespace bk::test
