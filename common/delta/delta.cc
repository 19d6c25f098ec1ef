#include "common/delta/delta.h"

#include "common/delta/search.h"
#include "common/error/error.h"
#include "common/handle/handle.h"

#include <librsync.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace bk {

namespace {

constexpr rs_magic_number kFormat = RS_RK_BLAKE2_SIG_MAGIC;
constexpr std::size_t kStrongBytes = kBlockSumBytes - 4;
constexpr std::size_t kHeaderBytes = 12;

using Job = Handle<rs_job_t, rs_job_free>;

// librsync writes its opinions to stderr otherwise.
void be_silent() {
  [[maybe_unused]] static const bool once = [] {
    rs_trace_to([](rs_loglevel, const char*) {});
    rs_trace_set_level(RS_LOG_EMERG);
    return true;
  }();
}

[[noreturn]] void fail(const char* what, rs_result result) {
  if (result == RS_MEM_ERROR) throw std::bad_alloc();
  throw Error(Kind::Protocol, std::string(what) + ": " + rs_strerror(result));
}

void put_big_endian(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::string signature_header(std::uint32_t block) {
  std::string header;
  put_big_endian(header, kFormat);
  put_big_endian(header, block);
  put_big_endian(header, kStrongBytes);
  return header;
}

// librsync takes char* and does not write there.
rs_buffers_t reading(std::string_view in, bool last) {
  rs_buffers_t buffers{};
  buffers.next_in = const_cast<char*>(in.data());
  buffers.avail_in = in.size();
  buffers.eof_in = last ? 1 : 0;
  return buffers;
}

// Runs a job over all of `in`; the output grows to `limit` at most.  RS_BLOCKED: it would have grown further.
rs_result run(rs_job_t* job, std::string_view in, std::string& out, std::size_t limit) {
  rs_buffers_t buffers = reading(in, true);
  std::size_t used = 0;
  for (;;) {
    if (out.size() == used) out.resize(std::min(limit, std::max<std::size_t>(used * 2, 4096)));
    buffers.next_out = out.data() + used;
    buffers.avail_out = out.size() - used;
    const std::size_t left = buffers.avail_in;
    const rs_result result = rs_job_iter(job, &buffers);
    const std::size_t now = out.size() - buffers.avail_out;
    const bool stuck = now == used && buffers.avail_in == left && used == limit;
    used = now;
    if (result == RS_BLOCKED && !stuck) continue;
    out.resize(used);
    return result;
  }
}

rs_result copy_from(void* opaque, rs_long_t position, std::size_t* length, void** buffer) {
  const auto& basis = *static_cast<const std::string_view*>(opaque);
  if (position < 0 || static_cast<std::uint64_t>(position) >= basis.size()) return RS_CORRUPT;
  const std::string_view from = basis.substr(static_cast<std::size_t>(position));
  *length = std::min(*length, from.size());
  *buffer = const_cast<char*>(from.data());
  return RS_DONE;
}

}  // namespace

std::uint32_t block_size_for(std::size_t bytes) {
  // Sums cost bytes / block * 20, and a change sends about one block more than it has to, a third of that
  // when compressed.
  const auto best = static_cast<std::uint32_t>(std::sqrt(57.0 * static_cast<double>(bytes)));
  return std::clamp<std::uint32_t>(std::bit_floor(best + best / 2), kSmallestBlock, 2048);
}

std::string block_sums(std::string_view basis, std::uint32_t block) {
  be_silent();
  const Job job(rs_sig_begin(block, kStrongBytes, kFormat));
  std::string out;
  const std::size_t size = kHeaderBytes + (basis.size() / block + 1) * kBlockSumBytes;
  const rs_result result = run(job.get(), basis, out, size);
  BK_CHECK(result == RS_DONE && out.starts_with(signature_header(block)));
  return out.substr(kHeaderBytes);
}

std::string make_delta(std::string_view sums, std::uint32_t block, std::string_view content) {
  BK_CHECK(is_block_size(block));
  if (sums.size() % kBlockSumBytes != 0)
    throw Error(Kind::Protocol, "a signature is broken: it ends within a sum");
  return search_delta(sums, block, content);
}

std::string apply_delta(std::string_view basis, std::string_view delta, std::size_t bytes) {
  be_silent();
  const Job job(rs_patch_begin(&copy_from, &basis));
  std::string out(bytes, '\0');
  const rs_result result = run(job.get(), delta, out, bytes);
  if (result == RS_BLOCKED) throw Error(Kind::Protocol, "a delta makes more than was announced");
  if (result != RS_DONE) fail("a delta is broken", result);
  if (out.size() != bytes) throw Error(Kind::Protocol, "a delta makes less than was announced");
  return out;
}

}  // namespace bk
