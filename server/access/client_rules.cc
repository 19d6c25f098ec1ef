#include "server/access/client_rules.h"

#include "common/config/config.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/ssh/ssh.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "server/access/gitosis_conf.h"
#include "server/access/home.h"
#include "server/access/ini.h"
#include "server/access/keep.h"
#include "server/access/key.h"

#include <algorithm>
#include <array>
#include <set>

namespace bk::server {
namespace {

constexpr std::string_view kFile = "backline.conf";
constexpr std::array<std::string_view, 15> kClientKeys{
    "address", "hostkey",       "users",           "concurrency",        "agent",
    "paths",   "every",         "exclude",         "exclude_if_present", "exclude_caches",
    "quota",   "max_file_size", "one_file_system", "bandwidth",          "restore"};
constexpr std::chrono::seconds kShortestPeriod{60};
constexpr std::uint64_t kLeastBandwidth = 16U << 10U, kMostBandwidth = 1ULL << 40U;
constexpr std::uint64_t kLeastQuota = 1U << 20U;

std::string_view strip(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// How many letters differ, roughly: for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest_key(std::string_view key) {
  const auto best = std::min_element(kClientKeys.begin(), kClientKeys.end(),
                                     [&](auto a, auto b) { return distance(key, a) < distance(key, b); });
  return std::string(*best);
}

class Parser {
 public:
  void line(std::string_view raw) {
    ++number_;
    if (std::any_of(raw.begin(), raw.end(), [](char c) {
          return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r') || c == 0x7f;
        }))
      refuse("a control byte");
    const std::string_view text = strip(raw);
    if (text.empty() || text.front() == '#' || text.front() == ';') return;
    if (text.front() == '[') return section(text);
    const std::size_t sign = text.find('=');
    if (sign == std::string_view::npos || sign == 0)
      refuse(quoted(text.substr(0, 80)) + " is neither a [section] nor KEY = VALUE");
    value(std::string(strip(text.substr(0, sign))), std::string(strip(text.substr(sign + 1))));
  }

  BacklineConf take() {
    check_section();
    return std::move(conf_);
  }

 private:
  enum class Where { Nowhere, Client, Keep, Expect };

  [[noreturn]] void refuse(const std::string& reason) const { refuse_line(kFile, number_, reason); }

  void section(std::string_view text) {
    if (!text.ends_with(']')) refuse("a section needs the form [NAME]");
    const std::string name(strip(text.substr(1, text.size() - 2)));
    check_section();
    keys_.clear();
    if (!sections_.insert(name).second) refuse("[" + name + "] comes twice");
    if (sections_.size() > kMaxConfSections)
      refuse("more than " + std::to_string(kMaxConfSections) + " sections");
    if (name.starts_with("client ")) {
      const std::string client(strip(std::string_view(name).substr(7)));
      if (!is_safe_name(client)) refuse(quoted(client) + " is no client name");
      const auto [at, is_new] = conf_.clients.emplace(client, ClientRules{});
      if (!is_new) refuse("client " + quoted(client) + " comes twice");
      client_ = &at->second;
      client_->name = client;
      client_line_ = number_;
      where_ = Where::Client;
    } else if (name == "keep" || name.starts_with("keep ")) {
      conf_.keep.rules.push_back({scope_of(name, "keep"), {}});
      where_ = Where::Keep;
      section_line_ = number_;
    } else if (name == "expect" || name.starts_with("expect ")) {
      conf_.expected.push_back({scope_of(name, "expect"), {}});
      where_ = Where::Expect;
      section_line_ = number_;
    } else {
      refuse("unknown section " + quoted(name) + "; there are [client NAME], [keep …] and [expect …]");
    }
  }

  // What stands behind `word` in the name of a section.
  SourceScope scope_of(std::string_view name, std::string_view word) const {
    const std::string_view text = strip(name.substr(word.size()));
    if (text.empty() && name != word) refuse("[" + std::string(word) + " ] names no client");
    SourceScope scope;
    if (const std::string problem = parse_scope(text, scope); !problem.empty()) refuse(problem);
    return scope;
  }

  void value(const std::string& key, const std::string& text) {
    if (where_ == Where::Nowhere) refuse(quoted(key) + " stands before the first [section]");
    if (!keys_.insert(key).second) refuse(quoted(key) + " comes twice in one section");
    if (text.empty()) refuse(quoted(key) + " has no value");
    if (where_ == Where::Client) return client_value(key, text);
    if (where_ == Where::Expect) return expect_value(key, text);
    keep_value(key, text);
  }

  void expect_value(const std::string& key, const std::string& text) {
    if (key != "every") refuse("unknown key " + quoted(key) + " in an [expect] section; there is every");
    if (const std::string problem = parse_expect_value(text, conf_.expected.back()); !problem.empty())
      refuse(problem);
  }

  void keep_value(const std::string& key, const std::string& text) {
    KeepRule& rule = conf_.keep.rules.back();
    std::string problem;
    if (key == "at_most") {
      if (!rule.scope.client.empty()) refuse("at_most stands in [keep] only: it limits a whole run");
      problem = parse_keep_limit(text, conf_.keep.at_most);
    } else if (is_keep_key(key)) {
      problem = parse_keep_value(key, text, rule.policy);
    } else {
      problem = "unknown key " + quoted(key) + " in a [keep] section";
    }
    if (!problem.empty()) refuse(problem);
  }

  // At the end of a section.
  void check_section() {
    check_client();
    if (where_ == Where::Keep) check_keep();
    if (where_ == Where::Expect && !keys_.contains("every"))
      refuse_line(kFile, section_line_, "an [expect] section without every = PERIOD (or never)");
  }

  // A section that keeps nothing is a slip of the pen; [keep] may hold at_most alone.
  void check_keep() {
    KeepRule& rule = conf_.keep.rules.back();
    if (rule.policy == KeepPolicy{}) {
      if (!keys_.contains("at_most"))
        refuse_line(kFile, section_line_,
                    "a [keep] section without a rule: say last, daily, …, within, or all = yes");
      conf_.keep.rules.pop_back();
    }
  }

  void client_value(const std::string& key, const std::string& text) {
    if (key == "address") {
      client_->address = address(text);
    } else if (key == "hostkey") {
      client_->host_key = host_key(text);
    } else if (key == "users") {
      client_->users = users(text);
    } else if (key == "concurrency") {
      client_->concurrency = parse_int<int>(text, 1, 64);
      if (!client_->concurrency) refuse(quoted(text) + " is no number from 1 to 64");
    } else if (key == "restore") {
      client_->restore = yes_or_no(text);
    } else if (key == "agent") {
      client_->agent = yes_or_no(text);
    } else if (leave_out_value(key, text)) {
      return;
    } else if (key == "paths") {
      client_->paths = paths(text);
    } else if (key == "every") {
      const std::optional<std::chrono::seconds> period = parse_duration(text);
      if (!period || *period < kShortestPeriod)
        refuse(quoted(text) + " is no period such as 30m, 12h or 1d, of a minute at least");
      client_->every = *period;
    } else if (key == "bandwidth") {
      client_->bandwidth = bandwidth(text);
    } else if (key == "quota") {
      client_->quota = quota(text);
    } else {
      refuse("unknown key " + quoted(key) + "; did you mean " + quoted(nearest_key(key)) + "?");
    }
  }

  // The keys that say what of a client without an agent is left out; false for any other.
  bool leave_out_value(const std::string& key, const std::string& text) {
    pull::TreeRules& rules = client_->leave_out;
    if (key == "exclude") {
      rules.exclude = decoded_words(text);
    } else if (key == "exclude_if_present") {
      rules.exclude_if_present = decoded_words(text);
      for (const std::string& name : rules.exclude_if_present) {
        if (!is_component(name)) refuse(quoted(name) + " is no name of a file");
      }
    } else if (key == "exclude_caches") {
      rules.exclude_caches = yes_or_no(text);
    } else if (key == "one_file_system") {
      rules.one_file_system = yes_or_no(text);
    } else if (key == "max_file_size") {
      const std::optional<std::uint64_t> size = parse_size(text);
      if (!size || *size == 0) refuse(quoted(text) + " is no size such as 500MiB or 2GiB");
      rules.max_file_bytes = *size;
    } else {
      return false;
    }
    return true;
  }

  bool yes_or_no(const std::string& text) const {
    if (text != "yes" && text != "no") refuse(quoted(text) + " is neither yes nor no");
    return text == "yes";
  }

  std::vector<std::string> decoded_words(const std::string& text) const {
    std::vector<std::string> out;
    for (const std::string& word : split_words(text)) {
      const std::optional<std::string> decoded = percent_decode(word);
      if (!decoded || decoded->empty())
        refuse(quoted(word) + " is not percent-encoded (a blank is written %20, a percent sign %25)");
      out.push_back(*decoded);
    }
    return out;
  }

  // What belongs together, at the end of a section.
  void check_client() {
    if (client_ == nullptr || !client_->agent) return void(client_ = nullptr);
    if (!client_->paths.empty() || keys_.contains("every"))
      refuse_line(kFile, client_line_,
                  "[client " + client_->name +
                      "] has paths or every without agent = no: a client "
                      "with an agent asks by itself");
    if (client_->leave_out != pull::TreeRules{})
      refuse_line(kFile, client_line_,
                  "[client " + client_->name +
                      "] says what is left out without agent = no: a client with an agent says so itself, in "
                      "backupconfig.toml");
    client_ = nullptr;
  }

  std::uint64_t quota(const std::string& text) const {
    const std::optional<std::uint64_t> size = parse_size(text);
    if (!size || *size < kLeastQuota)
      refuse(quoted(text) + " is no size such as 500MiB, 20GiB or 1TiB, of 1MiB at least");
    return *size;
  }

  // "10M": bytes a second, in steps of 1024.
  std::uint64_t bandwidth(std::string_view text) const {
    constexpr std::string_view kUnits = "KMG";
    const std::size_t unit = kUnits.find(text.back());
    const std::string_view digits = text.substr(0, text.size() - (unit == std::string_view::npos ? 0 : 1));
    const std::uint64_t factor = unit == std::string_view::npos ? 1 : 1ULL << (10U * (unit + 1));
    const auto count = parse_int<std::uint64_t>(digits, 0, kMostBandwidth / factor);
    if (!count || *count * factor < kLeastBandwidth)
      refuse(quoted(text) + " is no rate such as 512K, 10M or 1G (bytes a second), from 16K to 1024G");
    return *count * factor;
  }

  std::vector<std::string> paths(const std::string& text) const {
    std::vector<std::string> out;
    for (const std::string& word : split_words(text)) {
      const std::optional<std::string> path = percent_decode(word);
      if (!path || !is_clean_absolute(*path))
        refuse(quoted(word) + " is no absolute path (a blank in it is written %20, a percent sign %25)");
      if (std::find(out.begin(), out.end(), *path) != out.end()) refuse(quoted(word) + " comes twice");
      out.push_back(*path);
    }
    return out;
  }

  std::string address(const std::string& text) const {
    try {
      (void)ssh::parse_address(text);
    } catch (const Error& error) {
      refuse(error.what());
    }
    return text;
  }

  std::string host_key(const std::string& text) const {
    try {
      const PublicKey key = parse_key_line(text);
      return key.type + " " + key.base64;
    } catch (const Error& error) {
      refuse(error.what());
    }
  }

  std::vector<std::string> users(const std::string& text) const {
    std::vector<std::string> names = split_words(text);
    for (const std::string& name : names) {
      if (!is_user_name(name)) refuse(quoted(name) + " is no user name");
    }
    return names;
  }

  int number_ = 0;
  Where where_ = Where::Nowhere;
  BacklineConf conf_;
  ClientRules* client_ = nullptr;  // of the section that is open
  int client_line_ = 0, section_line_ = 0;
  std::set<std::string> sections_, keys_;
};

}  // namespace

const ClientRules* BacklineConf::find(const std::string& client) const {
  const auto at = clients.find(client);
  return at == clients.end() ? nullptr : &at->second;
}

bool BacklineConf::may_ask(std::string_view user, const std::string& client) const {
  if (user == client) return true;
  const ClientRules* rules = find(client);
  return rules != nullptr && std::find(rules->users.begin(), rules->users.end(), user) != rules->users.end();
}

BacklineConf parse_backline_conf(std::string_view text) {
  if (text.size() > kMaxConfBytes)
    refuse_line(kFile, 1, "larger than " + std::to_string(kMaxConfBytes) + " bytes");
  Parser parser;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    parser.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.take();
}

BacklineConf load_backline_conf(const std::string& home) {
  const std::optional<std::string> text = try_read_file(accepted_file(home, kFile));
  return text ? parse_backline_conf(*text) : BacklineConf{};
}

}  // namespace bk::server
