// The abilities that both ends name in their hellos (docs/protocol/pull.md, Evolution).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

inline constexpr std::string_view kFeatureHeartbeat = "heartbeat";
inline constexpr std::string_view kFeatureResume = "resume";
inline constexpr std::string_view kFeatureWindows = "windows";
// Named only by a server that is going to use it, and by an agent that can let stripes join.
inline constexpr std::string_view kFeatureStripes = "stripes";
// Named only by a server whose agent is far.
inline constexpr std::string_view kFeatureUnasked = "unasked";

// What this version understands and always names in its hello: all but the last two.
[[nodiscard]] std::vector<std::string> known_features();
// Those of `offered` that this version understands: what an agent answers.
[[nodiscard]] std::vector<std::string> common_features(const std::vector<std::string>& offered);
[[nodiscard]] bool has_feature(const std::vector<std::string>& features, std::string_view name);

}  // namespace bk::pull
