#include "client/modules/s3_source.h"

#include "common/config/config.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

namespace bk::client {
namespace {

constexpr ConfigKey kSchema[] = {
    {"endpoint", ConfigType::Text, "", "https://host[:port]; none: AWS in that region"},
    {"region", ConfigType::Text, "us-east-1", "the bucket's region, as requests are signed for it"},
    {"bucket", ConfigType::Text, kRequired, "the bucket's name"},
    {"prefix", ConfigType::Text, "", "only keys that begin with this"},
    {"credentials", ConfigType::Text, ".aws/credentials",
     "file as the AWS tools keep it, not readable by others"},
    {"profile", ConfigType::Text, "default", "its section"},
    {"path_style", ConfigType::Flag, "true", "endpoint/bucket/key; false: bucket.endpoint/key"},
    {"ca_file", ConfigType::Text, "", "PEM file of authorities; none: the system's"},
    {"parallel", ConfigType::Number, "8", "objects fetched at once, 1 to 64"},
};

std::string beside(const std::string& home, const std::string& path) {
  return path.empty() || path.starts_with('/') ? path : join_path(home, path);
}

}  // namespace

S3Source parse_s3_source(std::string_view text, const std::string& file, const std::string& home) {
  const Config config = Config::parse(text, file, kSchema);
  S3Source out;
  const s3::Profile profile =
      s3::load_profile(beside(home, config.text({"credentials"})), config.text({"profile"}));
  out.settings.credentials = profile.credentials;
  out.settings.credentials_file = beside(home, config.text({"credentials"}));
  out.settings.endpoint = config.text({"endpoint"});
  out.settings.region =
      config.has({"region"}) || profile.region.empty() ? config.text({"region"}) : profile.region;
  out.settings.bucket = config.text({"bucket"});
  out.settings.path_style = config.flag({"path_style"});
  out.settings.ca_file = beside(home, config.text({"ca_file"}));
  out.prefix = config.text({"prefix"});
  out.parallel = config.number({"parallel"});
  if (out.parallel < 1 || out.parallel > 64) config.refuse({"parallel"}, "must be 1 to 64");
  return out;
}

S3Source load_s3_source(const std::string& file, const std::string& home) {
  return parse_s3_source(read_file(file, 1U << 20U), file, home);
}

}  // namespace bk::client
