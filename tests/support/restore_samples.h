// A small restore stream with every message: for the transcript in docs/protocol/restore.md, fuzz seeds and
// hostile variations.
#pragma once

#include "proto/restore/stream_writer.h"

#include <string>
#include <vector>

namespace bk::test {

[[nodiscard]] restore::Ask sample_ask();
// The calls whose frames stand in the documentation.
[[nodiscard]] std::string sample_stream();
// One of every event and message, Fail apart.
[[nodiscard]] std::string rich_stream();
// The sample's tree to a client that has some of it: Ask's second flag.
[[nodiscard]] std::string offered_stream(const std::vector<bool>& kept);
// The frames of a stream, header and payload.
[[nodiscard]] std::vector<std::string> frames_of(const std::string& stream);

// A raw group and its places: each string is one chunk, at the beginning of the file of its number.
[[nodiscard]] EncodedGroup raw_group(const std::vector<std::string>& chunks);
[[nodiscard]] RestorePlace place_of(const std::string& chunk, std::uint32_t begin, std::uint64_t file,
                                    std::uint64_t offset = 0);
[[nodiscard]] Entry sample_entry(const std::string& name, EntryType type, std::uint64_t size = 0);

}  // namespace bk::test
