// HTTP(S) requests through libcurl: one function, bounded memory, deadlines.
//
// No redirect is followed, no proxy or credential is taken from the environment, nothing is decompressed, the
// path is sent as it is given.  TLS: the system's authorities or a file of one's own; names are checked.
//
// An Http and its connections belong to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bk::http {

struct Limits {
  std::chrono::milliseconds connect{30'000};
  std::chrono::seconds stall{60};          // less than one byte a second for this long
  std::chrono::milliseconds total{0};      // for the whole exchange; 0: only `stall` counts
  std::size_t body_bytes = 64U << 10U;     // of an answer that is kept in memory
  std::size_t header_bytes = 256U << 10U;  // of all header lines
};

struct Request {
  std::string method = "GET";        // GET, HEAD, PUT, POST, DELETE
  std::string url;                   // http:// or https://, already encoded
  std::vector<std::string> headers;  // "Name: value"; one with a line end or NUL: throws Corrupt
  // What is sent: `body_bytes` bytes in all, asked for piece by piece (up to `size` each; 0 only at the end).
  std::uint64_t body_bytes = 0;
  std::function<std::size_t(char* into, std::size_t size)> body;
  std::string ca_file;  // "" for the system's
  Limits limits;
};

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case, values without blanks around them
  std::string body;                            // what did not go to the sink
  [[nodiscard]] std::string header(const std::string& lower_case_name) const;
};

// Sees the headers of the final answer before its body.  Returns where the body goes; an empty function:
// into `body`, within Limits::body_bytes.
using Sink = std::function<void(std::string_view)>;
using Router = std::function<Sink(const Response&)>;

class Http {
 public:
  Http();
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  // One exchange; any status is an answer.  What a sink throws comes out again.
  // Throws Transient (cannot connect, cut, stalled, too slow), Refused (the peer's certificate), Config (a
  // bad URL or CA file), Protocol (headers or body beyond the limits, not HTTP).
  [[nodiscard]] Response perform(const Request& request, const Router& route = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::http
