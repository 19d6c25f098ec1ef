#include "common/s3/s3.h"

#include "common/error/error.h"
#include "common/s3/call.h"
#include "common/s3/fault.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace bk::s3 {
namespace {

constexpr std::size_t kListingBytes = 16U << 20U;

struct Endpoint {
  std::string scheme, host;  // host with its port, unless that is the scheme's own
};

Endpoint parse_endpoint(const std::string& text) {
  Endpoint out;
  const std::size_t mark = text.find("://");
  out.scheme = mark == std::string::npos ? "" : text.substr(0, mark);
  if (out.scheme != "http" && out.scheme != "https")
    throw Error(Kind::Config, "endpoint " + quoted(text) + " is not of the form https://host[:port]");
  out.host = text.substr(mark + 3);
  while (out.host.ends_with('/')) out.host.pop_back();
  if (out.host.empty() || out.host.find_first_of("/?#@% ") != std::string::npos)
    throw Error(Kind::Config, "endpoint " + quoted(text) + " is not of the form https://host[:port]");
  const std::string own = out.scheme == "http" ? ":80" : ":443";
  if (out.host.ends_with(own)) out.host.resize(out.host.size() - own.size());
  return out;
}

void check_bucket(const std::string& name) {
  const bool good =
      name.size() >= 2 && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
      });
  if (!good) throw Error(Kind::Config, "bucket " + quoted(name) + " is not a bucket's name");
}

bool is_worth_another_try(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Bucket::Bucket(Settings settings, const Clock& clock) : settings_(std::move(settings)), clock_(clock) {
  check_bucket(settings_.bucket);
  if (settings_.endpoint.empty()) settings_.endpoint = "https://s3." + settings_.region + ".amazonaws.com";
  const Endpoint endpoint = parse_endpoint(settings_.endpoint);
  host_ = settings_.path_style ? endpoint.host : settings_.bucket + "." + endpoint.host;
  origin_ = endpoint.scheme + "://" + host_;
  base_ = settings_.path_style ? "/" + uri_encode(settings_.bucket, false) : "";
  if (!settings_.sleep)
    settings_.sleep = [](std::chrono::milliseconds span) { std::this_thread::sleep_for(span); };
}
Bucket::~Bucket() = default;

std::string Bucket::shown() const { return "s3://" + settings_.bucket + " at " + settings_.endpoint; }

void Bucket::wait(int attempt) const { settings_.sleep(settings_.first_wait * (1 << std::min(attempt, 8))); }

http::Response Bucket::attempt(const Call& call) {
  ToSign signing{
      call.method,     host_,        base_ + "/" + uri_encode(call.key, true),
      call.parameters, call.headers, std::string(call.body_bytes == 0 ? kEmptyPayload : kUnsignedPayload)};
  http::Request request;
  request.method = call.method;
  const std::string query = query_string(call.parameters);
  request.url = origin_ + signing.path + (query.empty() ? "" : "?" + query);
  for (const auto& [name, value] : sign(signing, settings_.credentials, settings_.region, clock_.now()))
    request.headers.push_back(name + ": " + value);
  request.ca_file = settings_.ca_file;
  request.limits = settings_.limits;
  request.limits.body_bytes = call.answer_bytes;
  std::uint64_t sent = 0;
  if (call.body) {
    request.body_bytes = call.body_bytes;
    request.body = [&](char* into, std::size_t size) {
      const std::uint64_t left = call.body_bytes - sent;
      const std::size_t got =
          left == 0 ? 0
                    : call.body(sent, into, static_cast<std::size_t>(std::min<std::uint64_t>(size, left)));
      sent += got;
      return got;
    };
  }
  return http_.perform(request, call.route);
}

http::Response Bucket::exchange(const Call& call) {
  const int attempts = call.once ? 1 : settings_.attempts;
  for (int tried = 1;; ++tried) {
    try {
      http::Response response = attempt(call);
      if (response.status / 100 == 2) return response;
      if (call.missing_is_fine && (response.status == 404 || response.status == 412)) {
        if (parse_fault(response.body).code != "NoSuchBucket") return response;
      }
      if (!is_worth_another_try(response.status) || tried >= attempts) refuse(call, response);
    } catch (const Error& error) {
      if (error.kind() != Kind::Transient || tried >= attempts) throw;
    }
    wait(tried - 1);
  }
}

void Bucket::refuse(const Call& call, const http::Response& response) const {
  Failed failed;
  failed.doing =
      call.method + " " +
      (call.key.empty() ? "s3://" + settings_.bucket : "s3://" + settings_.bucket + "/" + quoted(call.key));
  failed.status = response.status;
  failed.fault = parse_fault(response.body);
  failed.access_key = settings_.credentials.access_key;
  failed.credentials_file = settings_.credentials_file;
  failed.region = settings_.region;
  failed.endpoint = settings_.endpoint;
  failed.bucket = settings_.bucket;
  failed.server_time = response.header("date");
  if (failed.fault.region.empty()) failed.fault.region = response.header("x-amz-bucket-region");
  throw fault_error(failed);
}

Listing Bucket::list_page(const std::string& prefix, const std::string& token, int most) {
  Call call;
  call.parameters = {
      {"list-type", "2"}, {"encoding-type", "url"}, {"max-keys", std::to_string(most)}, {"prefix", prefix}};
  if (!token.empty()) call.parameters.emplace_back("continuation-token", token);
  call.answer_bytes = kListingBytes;
  return parse_listing(exchange(call).body);
}

void Bucket::list(const std::string& prefix, const std::function<bool(const ListedKey&)>& visit) {
  std::string token;
  do {
    const Listing page = list_page(prefix, token);
    for (const ListedKey& key : page.keys) {
      if (!visit(key)) return;
    }
    if (page.truncated && page.next_token == token)
      throw Error(Kind::Protocol, "listing " + shown() + " does not get on: the same page again");
    token = page.truncated ? page.next_token : "";
  } while (!token.empty());
}

std::optional<ObjectFacts> Bucket::head(const std::string& key) {
  Call call;
  call.method = "HEAD";
  call.key = key;
  call.headers["x-amz-checksum-mode"] = "ENABLED";
  call.missing_is_fine = true;
  const http::Response response = exchange(call);
  if (response.status / 100 != 2) return std::nullopt;
  return facts_of(response);
}

std::optional<ObjectFacts> Bucket::get(const std::string& key, const Get& what, const http::Sink& sink) {
  ObjectFacts facts;
  std::uint64_t at = what.offset;
  std::string etag = what.etag;
  bool known = false;
  for (int tried = 1;; ++tried) {
    Call call;
    call.key = key;
    call.once = true;
    call.missing_is_fine = true;
    call.headers["x-amz-checksum-mode"] = "ENABLED";
    if (!etag.empty()) call.headers["if-match"] = '"' + etag + '"';
    if (at > 0) call.headers["range"] = fmt::format("bytes={}-", at);
    const std::uint64_t begin = at;
    call.route = [&](const http::Response& response) -> http::Sink {
      if (response.status != 200 && response.status != 206) return {};
      if (begin > 0 && range_begin(response) != begin)
        throw Error(Kind::Protocol, shown() + " does not serve the range it was asked for");
      facts = facts_of(response);
      etag = facts.etag;
      known = true;
      if (what.facts) what.facts(facts);
      return [&](std::string_view bytes) {
        at += bytes.size();
        sink(bytes);
      };
    };
    try {
      // Its whole content was there before it was cut: an empty range would be refused with 416.
      if (known && begin == facts.bytes) return facts;
      const http::Response response = exchange(call);
      if (response.status / 100 != 2) return std::nullopt;
      if (at != facts.bytes)
        throw Error(Kind::Transient, fmt::format("s3://{}/{}: {} of {} bytes came", settings_.bucket,
                                                 quoted(key), at, facts.bytes));
      return facts;
    } catch (const Error& error) {
      if (error.kind() != Kind::Transient || tried >= settings_.attempts) throw;
      if (at > begin) tried = 0;  // it gets on
    }
    wait(tried);
  }
}

void Bucket::remove(const std::string& key) {
  Call call;
  call.method = "DELETE";
  call.key = key;
  call.missing_is_fine = true;
  (void)exchange(call);
}

bool Bucket::make() {
  Call call;
  call.method = "PUT";
  call.body = [](std::uint64_t, char*, std::size_t) -> std::size_t { return 0; };
  try {
    (void)exchange(call);
    return true;
  } catch (const Error& error) {
    if (std::string(error.what()).find("BucketAlreadyOwnedByYou") == std::string::npos) throw;
    return false;
  }
}

}  // namespace bk::s3
