// Owning a C library's object in one line:
//
//   using GitRepo = Handle<git_repository, git_repository_free>;
//   GitRepo repo;
//   check_git(git_repository_open(Out(repo), path), "opening");
//
// Member order is lifetime order: declare a channel after its session, a statement after its database.
#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace bk {

template <auto Release>
struct ReleaseWith {
  template <class T>
  void operator()(T* p) const noexcept {
    (void)Release(p);
  }
};
template <class T, auto Release>
using Handle = std::unique_ptr<T, ReleaseWith<Release>>;

// Fills a Handle from `int lib_open(T** out, ...)`; stands in for std::out_ptr, which g++ 12 lacks.
// The handle is set when the Out dies, which is the end of the statement that holds the call.
template <class H>
class Out {
 public:
  explicit Out(H& handle) noexcept : handle_(handle) {}
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;
  ~Out() {
    if (raw_ != nullptr) handle_.reset(raw_);
  }
  operator typename H::pointer *() noexcept { return &raw_; }  // NOLINT: implicit on purpose, as std::out_ptr

 private:
  H& handle_;
  typename H::pointer raw_ = nullptr;
};

// Keeps an exception from crossing a C library: run() catches, rethrow() throws after the library returned.
class CallbackGuard {
 public:
  // Runs `body`; when it throws, stores the exception and returns `abort_code`.
  template <class Body, class Code>
  Code run(Code abort_code, Body&& body) noexcept {
    try {
      return body();
    } catch (...) {
      if (!error_) error_ = std::current_exception();
      return abort_code;
    }
  }
  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }
  [[nodiscard]] bool failed() const noexcept { return error_ != nullptr; }

 private:
  std::exception_ptr error_;
};

}  // namespace bk
