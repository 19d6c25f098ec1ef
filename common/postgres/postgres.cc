#include "common/postgres/postgres.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/text/escape.h"

#include <libpq-fe.h>

namespace bk::postgres {
namespace {

using Link = Handle<PGconn, PQfinish>;
using Result = Handle<PGresult, PQclear>;

// The first line of the server's words.
std::string words_of(const char* text) {
  std::string out(text == nullptr ? "" : text);
  if (out.starts_with("ERROR:  ")) out.erase(0, 8);
  if (out.starts_with("FATAL:  ")) out.erase(0, 8);
  const std::size_t end = out.find('\n');
  return out.substr(0, std::min<std::size_t>(end == std::string::npos ? out.size() : end, 300));
}

Kind kind_of(std::string_view state) {
  const std::string_view group = state.substr(0, 2);
  if (state == "42501" || group == "28") return Kind::Refused;
  if (state == "57014" || group == "08" || group == "40" || group == "53" || group == "55" || group == "57")
    return Kind::Transient;
  if (group == "3D" || group == "3F" || group == "42") return Kind::Config;
  return Kind::Io;
}

}  // namespace

struct Connection::Impl {
  Link link;
  std::string shown;

  [[noreturn]] void refuse(const PGresult* result) const {
    if (::PQstatus(link.get()) != CONNECTION_OK)
      throw Error(Kind::Transient, shown + ": " + words_of(::PQerrorMessage(link.get())));
    const char* state = result == nullptr ? nullptr : ::PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string code(state == nullptr ? "" : state);
    const char* text = result == nullptr ? ::PQerrorMessage(link.get())
                                         : ::PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    throw Error(kind_of(code), shown + ": " + words_of(text) + (code.empty() ? "" : " (" + code + ")"));
  }
};

Connection::Connection(const Parameters& parameters) : impl_(std::make_unique<Impl>()) {
  impl_->shown = "PostgreSQL database " + bk::quoted(parameters.database) + " at " +
                 bk::quoted(parameters.host.empty() ? "the local socket" : parameters.host);
  const std::string limit = std::to_string(parameters.statement_limit.count() * 1000);
  const std::string options = "-c statement_timeout=" + limit +
                              " -c lock_timeout=" + std::to_string(parameters.lock_limit.count() * 1000) +
                              " -c DateStyle=ISO";
  std::vector<const char*> keys, values;
  const auto set = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    keys.push_back(key);
    values.push_back(value.c_str());
  };
  const std::string thirty = "30", minute = "60000", utf8 = "UTF8", name = "backline", one = "1", ten = "10",
                    three = "3";
  set("host", parameters.host);
  set("port", parameters.port);
  set("dbname", parameters.database);
  set("user", parameters.user);
  set("password", parameters.password);
  // Never the invoking user's own: what is used is what the configuration says.
  const std::string passfile = parameters.password_file.empty() ? "/dev/null/none" : parameters.password_file;
  set("passfile", passfile);
  set("sslmode", parameters.ssl_mode);
  set("connect_timeout", thirty);
  set("tcp_user_timeout", minute);
  set("keepalives_idle", ten);
  set("keepalives_interval", ten);
  set("keepalives_count", three);
  set("client_encoding", utf8);
  set("application_name", name);
  set("options", options);
  keys.push_back(nullptr);
  values.push_back(nullptr);
  impl_->link.reset(::PQconnectdbParams(keys.data(), values.data(), 0));
  if (!impl_->link) throw std::bad_alloc();
  if (::PQstatus(impl_->link.get()) == CONNECTION_OK) return;
  const std::string words = words_of(::PQerrorMessage(impl_->link.get()));
  // libpq 15 gives no SQLSTATE for a connection that was refused.
  const bool refused = ::PQconnectionNeedsPassword(impl_->link.get()) != 0 ||
                       words.find("authentication failed") != std::string::npos ||
                       words.find("pg_hba.conf") != std::string::npos;
  const bool config =
      words.find("database \"") != std::string::npos && words.find("does not exist") != std::string::npos;
  throw Error(refused ? Kind::Refused : config ? Kind::Config : Kind::Transient, impl_->shown + ": " + words);
}
Connection::~Connection() = default;

std::vector<Row> Connection::query(const std::string& sql, const std::vector<Value>& values,
                                   std::size_t most_rows) {
  std::vector<const char*> texts;
  for (const Value& value : values) texts.push_back(value ? value->c_str() : nullptr);
  const Result result(::PQexecParams(impl_->link.get(), sql.c_str(), static_cast<int>(texts.size()), nullptr,
                                     texts.data(), nullptr, nullptr, 0));
  const ExecStatusType status = ::PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) impl_->refuse(result.get());
  const int rows = ::PQntuples(result.get());
  if (static_cast<std::size_t>(rows) > most_rows)
    throw Error(Kind::Io, impl_->shown + ": more rows than expected");
  std::vector<Row> out(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < ::PQnfields(result.get()); ++c) {
      Row& row = out[static_cast<std::size_t>(r)];
      if (::PQgetisnull(result.get(), r, c) != 0) {
        row.emplace_back(std::nullopt);
      } else {
        row.emplace_back(std::string(::PQgetvalue(result.get(), r, c),
                                     static_cast<std::size_t>(::PQgetlength(result.get(), r, c))));
      }
    }
  }
  return out;
}

void Connection::for_each(const std::string& select, const std::function<void(const Row&)>& visit) {
  execute("DECLARE backline NO SCROLL CURSOR FOR " + select);
  for (;;) {
    const std::vector<Row> rows = query("FETCH 1000 FROM backline");
    if (rows.empty()) break;
    for (const Row& row : rows) visit(row);
  }
  execute("CLOSE backline");
}

}  // namespace bk::postgres
