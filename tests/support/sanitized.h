// Whether this is a sanitizer's build: its memory and speed say nothing about ours.
#pragma once

namespace bk::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace bk::test
