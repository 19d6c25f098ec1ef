// Command lines, the same way for every program (Boost.Program_options inside options.cc only).
//
//   int main(int argc, char** argv) {
//     bk::Options options("backup_it", "queue backup requests for one module");
//     options.usage("backup_it [options] MODULE [SERVER]").flag("list", "show what is queued").value("wait",
//     "SECONDS", "…"); options.positionals(1, 2); return bk::run_program(options, argc, argv, [&] { …; return
//     bk::kExitDone; });
//   }
//
// --help and --version are there by themselves; both print to standard output and exit 0.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk {

class Options {
 public:
  Options(std::string program, std::string summary);
  ~Options();
  Options(Options&&) noexcept;

  Options& usage(const std::string& line);  // may be called several times
  Options& flag(const std::string& name, const std::string& help);
  Options& value(const std::string& name, const std::string& placeholder, const std::string& help);
  Options& values(const std::string& name, const std::string& placeholder,
                  const std::string& help);  // repeatable
  // As value(), but "--name" alone is allowed and gives "".  The next word is its value only when it is a
  // number;
  // "--name=VALUE" works always.
  Options& optional_value(const std::string& name, const std::string& placeholder, const std::string& help);
  // How many words that are no options are allowed.
  Options& positionals(std::size_t least, std::size_t most);
  // Text shown below the options by --help.
  Options& footer(const std::string& text);

  // After parsing:
  [[nodiscard]] bool has(const std::string& name) const;
  [[nodiscard]] std::optional<std::string> get(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> all(const std::string& name) const;
  [[nodiscard]] const std::vector<std::string>& words() const;

  // Throws Usage.  Returns false when --help or --version was answered.
  [[nodiscard]] bool parse(int argc, const char* const* argv);
  [[nodiscard]] const std::string& program() const;
  // Option names as --help lists them, for the manual page check.
  [[nodiscard]] std::string help_text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Parses, runs `body`, and turns an error into "<program>: <message>" on standard error and its exit status.
// SIGPIPE is ignored for the whole process, and its memory kept private (common/process/private_memory.h).
int run_program(Options& options, int argc, const char* const* argv, const std::function<int()>& body);

// Where this installation keeps its state (DESIGN 2): --home, else the parent of the scripts/ folder the
// program was started from when it holds backupconfig.toml, else $BACKLINE_HOME, else the user's home.
// Absolute.  Adds nothing to `options`: programs declare .value("home", "DIR", …) themselves through
// add_home().
Options& add_home(Options& options);
[[nodiscard]] std::string find_home(const Options& options, const char* argv0);
// The folder of the running program's own file (through /proc/self/exe) and of the path it was called by.
[[nodiscard]] std::string program_directory();

}  // namespace bk
