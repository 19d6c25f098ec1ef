#include "client/control/message.h"

#include "common/text/document.h"

#include <set>

namespace bk::client {

OutgoingRequest outgoing(const proto::Request& request) {
  return {request.id, "RQ" + proto::request_stem(request.module, request.name),
          proto::write_request(request)};
}

std::vector<std::vector<OutgoingRequest>> portions(std::vector<OutgoingRequest> all) {
  std::vector<std::vector<OutgoingRequest>> out;
  std::set<std::string> names;
  std::size_t bytes = 0;
  for (OutgoingRequest& request : all) {
    const bool full = out.empty() || out.back().size() == kMaxRequestsAPush ||
                      bytes + request.text.size() > kMaxBytesAPush || names.contains(request.file_name);
    if (full) {
      out.emplace_back();
      names.clear();
      bytes = 0;
    }
    names.insert(request.file_name);
    bytes += request.text.size();
    out.back().push_back(std::move(request));
  }
  return out;
}

std::string commit_message(std::string_view client, std::size_t count, std::string_view confirmed) {
  std::string out = "requests from ";
  out += client;
  out += ": " + std::to_string(count) + "\n\nreceipts: ";
  out += confirmed.empty() ? std::string_view("none") : confirmed;
  return out + "\n";
}

std::uint64_t parse_mark(std::string_view text) {
  const Document document = Document::parse(text, "bk-mark");
  document.allow_only({"counter"});
  return document.get_number("counter");
}

std::string client_of(std::string_view url_path) {
  std::string_view name = url_path.substr(url_path.rfind('/') + 1);
  if (name.ends_with(".git")) name.remove_suffix(4);
  return std::string(name);
}

}  // namespace bk::client
