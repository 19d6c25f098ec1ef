#include "proto/pull/features.h"

#include <algorithm>

namespace bk::pull {

std::vector<std::string> known_features() {
  return {std::string(kFeatureHeartbeat), std::string(kFeatureResume), std::string(kFeatureWindows)};
}

bool has_feature(const std::vector<std::string>& features, std::string_view name) {
  return std::find(features.begin(), features.end(), name) != features.end();
}

std::vector<std::string> common_features(const std::vector<std::string>& offered) {
  std::vector<std::string> both;
  for (std::string& name : known_features()) {
    if (has_feature(offered, name)) both.push_back(std::move(name));
  }
  return both;
}

}  // namespace bk::pull
