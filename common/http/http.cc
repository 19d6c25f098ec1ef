#include "common/http/http.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>

namespace bk::http {
namespace {

using Easy = Handle<CURL, curl_easy_cleanup>;
using List = Handle<curl_slist, curl_slist_free_all>;

void ensure_started() {
  static const CURLcode code = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  BK_CHECK(code == CURLE_OK);
}

// "https://host:9000/a?secret" -> "https://host:9000": what a message may show of a URL.
std::string origin_of(const std::string& url) {
  const std::size_t begin = url.find("://");
  return url.substr(0, begin == std::string::npos ? 0 : url.find_first_of("/?", begin + 3));
}

Kind kind_of(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
      return Kind::Config;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return Kind::Refused;
    case CURLE_WEIRD_SERVER_REPLY:
      return Kind::Protocol;
    default:
      return Kind::Transient;
  }
}

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  BK_CHECK(::curl_easy_setopt(easy, option, value) == CURLE_OK);
}

// One exchange as libcurl's callbacks see it.
struct Exchange {
  CURL* easy;
  const Request& request;
  const Router& route;
  Response response;
  Sink sink;
  bool routed = false;
  std::size_t header_bytes = 0;
  CallbackGuard guard;

  void take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > request.limits.header_bytes)
      throw Error(Kind::Protocol, "the answer has more header lines than " +
                                      std::to_string(request.limits.header_bytes) + " bytes");
    if (line.starts_with("HTTP/")) {  // also behind a "100 Continue"
      response.headers.clear();
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string& value = response.headers[lower_ascii(trimmed(line.substr(0, colon)))];
    if (!value.empty()) value += ", ";
    value += trimmed(line.substr(colon + 1));
  }

  void begin_body() {
    routed = true;
    long status = 0;
    BK_CHECK(::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
    response.status = static_cast<int>(status);
    if (route) sink = route(response);
  }

  void take_body(std::string_view bytes) {
    if (!routed) begin_body();
    if (sink) return sink(bytes);
    if (response.body.size() + bytes.size() > request.limits.body_bytes)
      throw Error(Kind::Protocol,
                  fmt::format("the answer is longer than {} bytes", request.limits.body_bytes));
    response.body += bytes;
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t bytes, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  return exchange.guard.run(std::size_t{0}, [&] {
    exchange.take_header({data, bytes});
    return bytes;
  });
}

std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  return exchange.guard.run(std::size_t{0}, [&] {
    exchange.take_body({data, bytes});
    return bytes;
  });
}

std::size_t on_send(char* into, std::size_t size, std::size_t count, void* user) noexcept {
  auto& exchange = *static_cast<Exchange*>(user);
  return exchange.guard.run(std::size_t{CURL_READFUNC_ABORT},
                            [&] { return exchange.request.body(into, size * count); });
}

void set_method(CURL* easy, const Request& request) {
  if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (request.body) {
    set(easy, CURLOPT_UPLOAD, 1L);
    set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_bytes));
    set(easy, CURLOPT_READFUNCTION, &on_send);
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else {
    set(easy, CURLOPT_HTTPGET, 1L);
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

void set_limits(CURL* easy, const Limits& limits) {
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect.count()));
  set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits.stall.count()));
  set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(limits.total.count()));
}

// As libcurl wants it: a header without a value ends with a semicolon, else it would not be sent.
std::string header_line(const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos || line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
    throw Error(Kind::Corrupt, "a header that cannot be sent: " + quoted(line.substr(0, colon)));
  return trimmed(std::string_view(line).substr(colon + 1)).empty() ? line.substr(0, colon) + ";" : line;
}

List header_list(const Request& request) {
  List list;
  const auto append = [&](const std::string& line) {
    curl_slist* longer = ::curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)list.release();
    list.reset(longer);
  };
  for (const std::string& line : request.headers) append(header_line(line));
  append("Expect:");  // waiting for "100 Continue" costs a second with servers that do not know it
  append("Accept:");
  if (request.body) append("Content-Type:");
  return list;
}

}  // namespace

struct Http::Impl {
  Easy easy;
};

std::string Response::header(const std::string& lower_case_name) const {
  const auto at = headers.find(lower_case_name);
  return at == headers.end() ? std::string() : at->second;
}

Http::Http() : impl_(std::make_unique<Impl>()) {
  ensure_started();
  impl_->easy.reset(::curl_easy_init());
  if (!impl_->easy) throw std::bad_alloc();
}
Http::~Http() = default;

Response Http::perform(const Request& request, const Router& route) {
  CURL* easy = impl_->easy.get();
  ::curl_easy_reset(easy);  // options only: connections stay
  Exchange exchange{easy, request, route, {}, {}, false, 0, {}};
  const List headers = header_list(request);
  char words[CURL_ERROR_SIZE] = "";
  set(easy, CURLOPT_ERRORBUFFER, words);
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_PROXY, "");
  set(easy, CURLOPT_BUFFERSIZE, 256L << 10U);
  set(easy, CURLOPT_HTTPHEADER, headers.get());
  set(easy, CURLOPT_HEADERFUNCTION, &on_header);
  set(easy, CURLOPT_HEADERDATA, &exchange);
  set(easy, CURLOPT_WRITEFUNCTION, &on_body);
  set(easy, CURLOPT_WRITEDATA, &exchange);
  set(easy, CURLOPT_READDATA, &exchange);
  if (!request.ca_file.empty()) set(easy, CURLOPT_CAINFO, request.ca_file.c_str());
  set_method(easy, request);
  set_limits(easy, request.limits);
  const CURLcode code = ::curl_easy_perform(easy);
  exchange.guard.rethrow();
  if (code != CURLE_OK)
    throw Error(kind_of(code), fmt::format("{} {}: {}", request.method, origin_of(request.url),
                                           *words != '\0' ? words : ::curl_easy_strerror(code)));
  if (!exchange.routed) exchange.begin_body();
  return std::move(exchange.response);
}

}  // namespace bk::http
