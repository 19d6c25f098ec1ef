#include "common/ssh/ssh.h"
#include "server/pull/stream.h"

namespace bk::pull {

std::size_t ChannelStream::read(void* buffer, std::size_t size, Millis deadline) {
  return channel_.read(buffer, size, deadline);
}

std::size_t ChannelStream::try_read(void* buffer, std::size_t size) {
  return channel_.try_read(buffer, size);
}

bool ChannelStream::wait(Millis limit) { return channel_.wait(true, false, limit).readable; }

void ChannelStream::write(std::string_view bytes, Millis deadline) { channel_.write(bytes, deadline); }

std::optional<int> ChannelStream::exit_status(Millis deadline) {
  channel_.send_eof();
  return channel_.exit_status(deadline);
}

std::string ChannelStream::take_stderr() { return channel_.take_stderr(); }

SessionStream::SessionStream(const ssh::Endpoint& endpoint, const std::string& command)
    : channel_(ssh::Session(endpoint).exec(command)) {}

SessionStream::~SessionStream() = default;

std::size_t SessionStream::read(void* buffer, std::size_t size, Millis deadline) {
  return channel_->read(buffer, size, deadline);
}

std::size_t SessionStream::try_read(void* buffer, std::size_t size) {
  return channel_->try_read(buffer, size);
}

bool SessionStream::wait(Millis limit) { return channel_->wait(true, false, limit).readable; }

void SessionStream::write(std::string_view bytes, Millis deadline) { channel_->write(bytes, deadline); }

std::optional<int> SessionStream::exit_status(Millis deadline) {
  channel_->send_eof();
  return channel_->exit_status(deadline);
}

}  // namespace bk::pull
