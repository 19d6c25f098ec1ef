// Messages of the feature "stripes".
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

namespace bk::pull {

std::string encode(const Stripes& message) {
  PayloadWriter out;
  out.varint(message.count);
  return out.take();
}

Stripes decode_stripes(std::string_view payload) {
  PayloadReader in(payload, "Stripes");
  Stripes message{in.varint_to(kMaxStripes)};
  if (message.count == 0) in.fail("asks for none");
  in.expect_end();
  return message;
}

std::string encode(const Go&) { return {}; }

Go decode_go(std::string_view payload) {
  PayloadReader(payload, "Go").expect_end();
  return {};
}

std::string encode(const Tickets& message) {
  PayloadWriter out;
  out.varint(message.tickets.size());
  for (const Digest& ticket : message.tickets) out.digest(ticket);
  return out.take();
}

Tickets decode_tickets(std::string_view payload) {
  PayloadReader in(payload, "Tickets");
  Tickets message;
  message.tickets.resize(static_cast<std::size_t>(in.varint_to(kMaxStripes)));
  for (Digest& ticket : message.tickets) ticket = in.digest();
  in.expect_end();
  return message;
}

std::string encode(const Joined&) { return {}; }

Joined decode_joined(std::string_view payload) {
  PayloadReader(payload, "Joined").expect_end();
  return {};
}

std::string encode(const StripeEnd& message) {
  PayloadWriter out;
  out.varint(message.groups);
  return out.take();
}

StripeEnd decode_stripe_end(std::string_view payload) {
  PayloadReader in(payload, "StripeEnd");
  const StripeEnd message{in.varint()};
  in.expect_end();
  return message;
}

}  // namespace bk::pull
