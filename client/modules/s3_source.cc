#include "client/modules/s3_source.h"

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

}  // namespace

std::string beside_home(const std::string& home, const std::string& path) {
  return path.empty() || path.starts_with('/') ? path : join_path(home, path);
}

s3::Settings s3_settings_of(const Config& config, std::vector<std::string_view> above,
                            const std::string& home) {
  above.emplace_back();
  const auto key = [&](std::string_view word) -> const std::vector<std::string_view>& {
    above.back() = word;
    return above;
  };
  const std::string credentials = beside_home(home, config.text(key("credentials")));
  const s3::Profile profile = s3::load_profile(credentials, config.text(key("profile")));
  s3::Settings out;
  out.credentials = profile.credentials;
  out.credentials_file = credentials;
  out.endpoint = config.text(key("endpoint"));
  out.region =
      config.has(key("region")) || profile.region.empty() ? config.text(key("region")) : profile.region;
  out.bucket = config.text(key("bucket"));
  out.path_style = config.flag(key("path_style"));
  out.ca_file = beside_home(home, config.text(key("ca_file")));
  return out;
}

S3Source parse_s3_source(std::string_view text, const std::string& file, const std::string& home) {
  const Config config = Config::parse(text, file, kSchema);
  S3Source out;
  out.settings = s3_settings_of(config, {}, home);
  out.prefix = config.text({"prefix"});
  out.parallel = config.number({"parallel"});
  if (out.parallel < 1 || out.parallel > 64) config.refuse({"parallel"}, "must be 1 to 64");
  return out;
}

S3Source load_s3_source(const std::string& file, const std::string& home) {
  return parse_s3_source(read_file(file, 1U << 20U), file, home);
}

}  // namespace bk::client
