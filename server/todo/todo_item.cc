#include "server/todo/todo_item.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/text/document.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::server {
namespace {

constexpr int kMaxAttempts = 1000000;

Timestamp time_of(const Document& doc, std::string_view key) {
  const std::optional<Timestamp> time = parse_timestamp(doc.get(key));
  if (!time) throw Error(Kind::Protocol, std::string(key) + ": not a time");
  return *time;
}

bool is_own_key(std::string_view key) {
  static constexpr std::string_view kOwn[] = {"answers",    "by",     "taken",      "attempts", "not-before",
                                              "last-error", "turns",  "turns-lost", "yielded",  "finished",
                                              "outcome",    "status", "snapshot",   "reason"};
  return std::find(std::begin(kOwn), std::end(kOwn), key) != std::end(kOwn) || key.starts_with("x-");
}

// The request's own lines stand in the file as they do in a request, so one parser judges both.
proto::Request request_of(const Document& doc) {
  Document inner("bk-request", 1);
  for (const Document::Field& field : doc.fields()) {
    if (!is_own_key(field.key)) inner.add(field.key, field.value);
  }
  return proto::parse_request(inner.write());
}

proto::Outcome outcome_of(const std::string& word) {
  for (const proto::Outcome outcome :
       {proto::Outcome::Ok, proto::Outcome::Partial, proto::Outcome::Refused, proto::Outcome::Failed}) {
    if (proto::to_word(outcome) == word) return outcome;
  }
  throw Error(Kind::Protocol, "outcome: unknown word " + quoted(word.substr(0, 80)));
}

std::optional<Finished> finished_of(const Document& doc) {
  if (!doc.find("outcome")) return std::nullopt;
  Finished end;
  end.outcome = outcome_of(doc.get("outcome"));
  end.time = time_of(doc, "finished");
  end.status = static_cast<int>(doc.get_number("status", 255));
  end.snapshot = doc.find("snapshot").value_or("");
  if (!end.snapshot.empty() && !Digest::from_hex(end.snapshot))
    throw Error(Kind::Protocol, "snapshot: not 64 lower-case hex digits");
  end.reason = doc.find("reason").value_or("");
  return end;
}

bool same_data(const proto::Request& a, const proto::Request& b) {
  return a.method == b.method && a.place == b.place && a.archive_sha256 == b.archive_sha256;
}

// A user as the keys name them: NAME or NAME@HOST.
bool is_pusher(std::string_view name) {
  constexpr std::string_view kOther = "._-@";
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOther.find(c) != std::string_view::npos;
  });
}

bool lists(const TodoItem& item, const std::string& id) {
  return std::find(item.ids.begin(), item.ids.end(), id) != item.ids.end();
}

}  // namespace

std::string write_todo(const TodoItem& item) {
  Document doc("bk-todo", 1);
  const Document request = Document::parse(proto::write_request(item.request), "bk-request");
  for (const Document::Field& field : request.fields()) doc.add(field.key, field.value);
  for (const std::string& id : item.ids) doc.add("answers", id);
  doc.add("by", item.by).add("taken", to_text(item.taken));
  doc.add("attempts", static_cast<std::uint64_t>(item.attempts));
  if (item.not_before) doc.add("not-before", to_text(*item.not_before));
  doc.add_if("last-error", item.last_error);
  if (item.turns > 0) {
    doc.add("turns", static_cast<std::uint64_t>(item.turns));
    doc.add("turns-lost", static_cast<std::uint64_t>(item.turns_lost));
  }
  if (item.yielded) doc.add("yielded", to_text(*item.yielded));
  if (item.finished) {
    doc.add("finished", to_text(item.finished->time));
    doc.add("outcome", proto::to_word(item.finished->outcome));
    doc.add("status", static_cast<std::uint64_t>(item.finished->status));
    doc.add_if("snapshot", item.finished->snapshot).add_if("reason", item.finished->reason);
  }
  return doc.write();
}

TodoItem parse_todo(std::string_view text) {
  const Document doc = Document::parse(text, "bk-todo");
  TodoItem item;
  item.request = request_of(doc);
  item.ids = doc.all("answers");
  for (const std::string& id : item.ids) {
    if (!proto::is_request_id(id)) throw Error(Kind::Protocol, "answers: not 32 lower-case hex digits");
  }
  if (!lists(item, item.request.id)) throw Error(Kind::Protocol, "answers: the request's own id is missing");
  item.by = doc.get("by");
  if (!is_pusher(item.by)) throw Error(Kind::Protocol, "by: not a user's name");
  item.taken = time_of(doc, "taken");
  item.attempts = static_cast<int>(doc.get_number("attempts", kMaxAttempts));
  if (doc.find("not-before")) item.not_before = time_of(doc, "not-before");
  item.last_error = doc.find("last-error").value_or("");
  if (doc.find("turns")) item.turns = static_cast<int>(doc.get_number("turns", kMaxAttempts));
  if (doc.find("turns-lost")) item.turns_lost = static_cast<int>(doc.get_number("turns-lost", kMaxAttempts));
  if (item.turns_lost > item.turns) throw Error(Kind::Protocol, "turns-lost: more than there were turns");
  if (doc.find("yielded")) item.yielded = time_of(doc, "yielded");
  item.finished = finished_of(doc);
  return item;
}

void join(TodoItem& item, const proto::Request& request, const std::string& by) {
  if (!lists(item, request.id)) item.ids.push_back(request.id);
  if (request.counter < item.request.counter) return;  // an older one that came late
  if (!same_data(item.request, request)) {
    item.attempts = 0;
    item.not_before.reset();
    item.last_error.clear();
  }
  item.request = request;
  item.by = by;
}

void join_ids(TodoItem& item, const TodoItem& other) {
  std::vector<std::string> ids;
  for (const std::string& id : other.ids) {
    if (!lists(item, id)) ids.push_back(id);
  }
  item.ids.insert(item.ids.begin(), ids.begin(), ids.end());
  item.taken = std::min(item.taken, other.taken);
  item.turns = std::max(item.turns, other.turns);
  item.turns_lost = std::max(item.turns_lost, other.turns_lost);
  item.yielded = std::max(item.yielded, other.yielded);
}

bool lists_all(const TodoItem& whole, const TodoItem& part) {
  return std::all_of(part.ids.begin(), part.ids.end(),
                     [&](const std::string& id) { return lists(whole, id); });
}

}  // namespace bk::server
