#include "server/backup/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace bk::server {
namespace {

const Timestamp kNow{100000, 0};

CatalogSnapshot row(std::int64_t began) {
  CatalogSnapshot r;
  r.client = "web1";
  r.module = "wiki";
  r.method = "sftp";
  r.name = "/srv/\xff\n";
  r.began = {began, 0};
  r.bytes = 7;
  return r;
}

TodoList::Named waiting() {
  TodoList::Named item;
  item.client = "web1";
  item.item.request.module = "wiki";
  item.item.request.method = "sftp";
  item.item.request.name = "/srv/\xff\n";
  item.item.attempts = 2;
  item.item.not_before = Timestamp{100300, 0};
  item.item.last_error = "connecting: refused";
  return item;
}

TEST(Status, ASourceShowsItsNewestSuccessAndWhatWaits) {
  const auto sources = collect_status({row(50000), row(90000)}, {waiting()}, kNow);
  ASSERT_EQ(sources.size(), 1U);
  EXPECT_EQ(sources[0].snapshots, 2U);
  EXPECT_EQ(sources[0].last_success->seconds, 90000);
  EXPECT_EQ(sources[0].state, "waiting");
  const std::string text = show_status(sources, kNow);
  EXPECT_NE(text.find("web1 wiki sftp \"/srv/\\xff\\n\""), std::string::npos) << text;
  EXPECT_NE(text.find("(2 h ago)"), std::string::npos) << text;
  EXPECT_NE(text.find("2 failed attempts, next try 1970-01-02T03:51:40Z: connecting: refused"),
            std::string::npos)
      << text;
}

TEST(Status, JsonHoldsEveryNameWhateverItsBytes) {
  const auto json = nlohmann::json::parse(show_status_json(collect_status({row(90000)}, {}, kNow), kNow));
  EXPECT_EQ(json["sources"][0]["path"], "/srv/%FF%0A");
  EXPECT_EQ(json["sources"][0]["age_seconds"], 10000);
  EXPECT_EQ(json["sources"][0]["state"], "idle");
}

}  // namespace
}  // namespace bk::server
