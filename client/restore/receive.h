// A restore stream becomes text on a terminal and trees below a folder.
#pragma once

#include "common/restore/destination.h"
#include "common/restore/tree_restorer.h"
#include "proto/restore/stream_reader.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk::client {

struct ReceiveTask {
  std::optional<std::string> destination;  // nothing: no tree is expected, only text
  bool force = false;
  bool sync = true;                                  // durable when it returns
  std::function<void(std::string_view)> print;       // what the server lists, control characters taken out
  std::function<void(const std::string&)> complain;  // one line about something left out or refused
  std::function<void(std::uint64_t received)> progress;  // bytes of the stream so far
  std::function<void(std::string_view)> say;             // to the far side; nothing where nobody listens
};

// Gives the next bytes of the stream; 0 at its end.
using StreamSource = std::function<std::size_t(char* buffer, std::size_t size)>;

// Reads the stream to its end and writes what it holds.  Returns the exit status: the far side's, or a worse
// one of ours: 65 when something was damaged, 3 when the system refused something.  Throws Protocol (cut, or
// not a stream), Io, Usage (a destination that is not empty), and what the far side's Fail
// tells. When a destination was begun, what came stays in it, and the same task goes on there.
[[nodiscard]] int receive(const StreamSource& source, const ReceiveTask& task);

}  // namespace bk::client
