#include "common/error/error.h"
#include "common/io/file.h"
#include "common/s3/s3.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace bk::s3 {
namespace {

void take(Profile& out, std::string_view key, std::string_view value) {
  if (key == "aws_access_key_id") out.credentials.access_key = value;
  if (key == "aws_secret_access_key") out.credentials.secret_key = value;
  if (key == "aws_session_token") out.credentials.session_token = value;
  if (key == "region") out.region = value;
}

}  // namespace

Profile parse_profile(std::string_view text, const std::string& file, const std::string& profile) {
  Profile out;
  bool inside = false;
  bool found = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::string_view name = trimmed(line.substr(1, line.find(']') - 1));
      inside = name == profile || name == "profile " + profile;
      found = found || inside;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (inside && equals != std::string_view::npos)
      take(out, trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1)));
  }
  if (!found) throw Error(Kind::Config, quoted(file) + " has no section [" + profile + "]");
  const std::string where = quoted(file) + ", section [" + profile + "]: ";
  if (out.credentials.access_key.empty()) throw Error(Kind::Config, where + "aws_access_key_id is missing");
  if (out.credentials.secret_key.empty())
    throw Error(Kind::Config, where + "aws_secret_access_key is missing");
  for (const std::string* value : {&out.credentials.access_key, &out.credentials.secret_key,
                                   &out.credentials.session_token, &out.region}) {
    for (const char c : *value) {
      if (c <= ' ' || c > '~')
        throw Error(Kind::Config, where + "a value holds a blank or a control character");
    }
  }
  return out;
}

Profile load_profile(const std::string& file, const std::string& profile) {
  try {
    const Fd fd = open_file(file, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    struct stat info {};
    check_sys(::fstat(fd.get(), &info), [&] { return "looking at " + quoted(file); });
    if ((info.st_mode & 077U) != 0)
      throw Error(Kind::Config, "credentials in " + quoted(file) + " may be read by others: chmod 600 it");
    return parse_profile(read_rest(fd.get(), 1U << 20U), file, profile);
  } catch (const Error& error) {
    if (error.kind() == Kind::Config) throw;
    throw Error(Kind::Config, std::string("credentials: ") + error.what());
  }
}

}  // namespace bk::s3
