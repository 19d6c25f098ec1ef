#include "common/random/random.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <sys/random.h>

namespace bk {

std::string Random::new_id() { return hex_encode(bytes(16)); }

std::string SystemRandom::bytes(std::size_t count) {
  std::string out(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t n = ::getrandom(out.data() + done, count - done, 0);
    if (n < 0 && errno == EINTR) continue;
    done += static_cast<std::size_t>(check_sys(n, [] { return "getting random bytes"; }));
  }
  return out;
}

}  // namespace bk
