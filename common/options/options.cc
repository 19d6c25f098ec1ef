#include "common/options/options.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/version.h"
#include "common/process/private_memory.h"

#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>

namespace bk {

namespace po = boost::program_options;

namespace {

// One line, whatever a user typed into it.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    if (b < 0x20 || b == 0x7f) {
      out += fmt::format("\\x{:02x}", b);
    } else {
      out += c;
    }
  }
  return out;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

constexpr const char* kWords = "words";

struct Options::Impl {
  std::string program, summary, footer;
  std::vector<std::string> usage;
  po::options_description description{"Options"};
  po::variables_map parsed;
  std::vector<std::string> words;
  std::vector<std::string> optional_values;
  std::size_t least = 0, most = 0;

  [[nodiscard]] std::vector<po::option> parse_first(std::vector<std::string>& args) const;
};

// What Boost 1.74 does not do as we want, taken from the front of the words that are left:
//   --name=          an empty value (Boost: an error)
//   --wait WORD      an optional value is taken from the next word only when that is a number (Boost: always)
//   --words          the name that positional words have inside (Boost: an option)
std::vector<po::option> Options::Impl::parse_first(std::vector<std::string>& args) const {
  const std::string first = args.front();
  if (!first.starts_with("--") || first == "--") return {};
  const std::size_t equals = first.find('=');
  po::option option;
  option.string_key = first.substr(2, equals == std::string::npos ? equals : equals - 2);
  option.original_tokens = {first};
  if (option.string_key == kWords) throw po::unknown_option(first);
  const bool optional =
      std::find(optional_values.begin(), optional_values.end(), option.string_key) != optional_values.end();
  if (equals != std::string::npos && equals + 1 == first.size()) {
    option.value = {""};
  } else if (equals == std::string::npos && optional) {
    option.value = {""};
    if (args.size() > 1 && is_number(args[1])) {
      option.value = {args[1]};
      args.erase(args.begin());
    }
  } else {
    return {};
  }
  args.erase(args.begin());
  return {option};
}

Options::Options(std::string program, std::string summary) : impl_(std::make_unique<Impl>()) {
  impl_->program = std::move(program);
  impl_->summary = std::move(summary);
  flag("help", "show this text");
  flag("version", "show the version");
}
Options::~Options() = default;
Options::Options(Options&&) noexcept = default;

Options& Options::usage(const std::string& line) {
  impl_->usage.push_back(line);
  return *this;
}

Options& Options::flag(const std::string& name, const std::string& help) {
  impl_->description.add_options()(name.c_str(), help.c_str());
  return *this;
}

Options& Options::value(const std::string& name, const std::string& placeholder, const std::string& help) {
  impl_->description.add_options()(name.c_str(), po::value<std::string>()->value_name(placeholder),
                                   help.c_str());
  return *this;
}

Options& Options::values(const std::string& name, const std::string& placeholder, const std::string& help) {
  impl_->description.add_options()(
      name.c_str(), po::value<std::vector<std::string>>()->composing()->value_name(placeholder),
      help.c_str());
  return *this;
}

Options& Options::optional_value(const std::string& name, const std::string& placeholder,
                                 const std::string& help) {
  impl_->optional_values.push_back(name);
  impl_->description.add_options()(
      name.c_str(), po::value<std::string>()->implicit_value("", "")->value_name(placeholder), help.c_str());
  return *this;
}

Options& Options::positionals(std::size_t least, std::size_t most) {
  impl_->least = least;
  impl_->most = most;
  return *this;
}

Options& Options::footer(const std::string& text) {
  impl_->footer = text;
  return *this;
}

bool Options::has(const std::string& name) const { return impl_->parsed.count(name) > 0; }

std::optional<std::string> Options::get(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  return impl_->parsed[name].as<std::string>();
}

std::vector<std::string> Options::all(const std::string& name) const {
  if (!has(name)) return {};
  return impl_->parsed[name].as<std::vector<std::string>>();
}

const std::vector<std::string>& Options::words() const { return impl_->words; }
const std::string& Options::program() const { return impl_->program; }

std::string Options::help_text() const {
  std::string out = fmt::format("{}: {}\n", impl_->program, impl_->summary);
  for (const std::string& line : impl_->usage) out += fmt::format("usage: {}\n", line);
  std::ostringstream options;
  options << impl_->description;
  out += "\n" + options.str();
  if (!impl_->footer.empty()) out += "\n" + impl_->footer + "\n";
  return out;
}

bool Options::parse(int argc, const char* const* argv) {
  po::options_description all;
  all.add(impl_->description);
  all.add_options()(kWords, po::value<std::vector<std::string>>(), "");
  po::positional_options_description positional;
  positional.add(kWords, -1);
  // No guessing: an abbreviated option that is right today may be ambiguous in the next version.
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    const auto first = [this](std::vector<std::string>& args) { return impl_->parse_first(args); };
    po::store(po::command_line_parser(argc, argv)
                  .options(all)
                  .positional(positional)
                  .style(style)
                  .extra_style_parser(first)
                  .run(),
              impl_->parsed);
    po::notify(impl_->parsed);
  } catch (const po::error& error) {
    throw Error(Kind::Usage, one_line(error.what()) + "; see --help");
  }
  if (has("help")) {
    std::fputs(help_text().c_str(), stdout);
    return false;
  }
  if (has("version")) {
    std::fputs(fmt::format("{} (Backline) {}\n", impl_->program, kVersion).c_str(), stdout);
    return false;
  }
  if (has(kWords)) impl_->words = impl_->parsed[kWords].as<std::vector<std::string>>();
  const std::size_t count = impl_->words.size();
  if (count < impl_->least)
    throw Error(Kind::Usage,
                "too few words; usage: " + (impl_->usage.empty() ? impl_->program : impl_->usage.front()));
  if (count > impl_->most)
    throw Error(Kind::Usage,
                "too many words; usage: " + (impl_->usage.empty() ? impl_->program : impl_->usage.front()));
  return true;
}

int run_program(Options& options, int argc, const char* const* argv, const std::function<int()>& body) {
  keep_memory_private();
  (void)::signal(SIGPIPE, SIG_IGN);
  int status = 0;
  try {
    status = options.parse(argc, argv) ? body() : kExitDone;
  } catch (const Error& error) {
    std::fputs(fmt::format("{}: {}\n", options.program(), one_line(error.what())).c_str(), stderr);
    return exit_status(error.kind());
  } catch (const std::bad_alloc&) {
    std::fputs(fmt::format("{}: out of memory\n", options.program()).c_str(), stderr);
    return kExitIo;
  } catch (const std::exception& error) {
    std::fputs(fmt::format("{}: {}\n", options.program(), one_line(error.what())).c_str(), stderr);
    return kExitIo;
  }
  // A full disk shows only here for what was printed.
  if (std::fflush(stdout) != 0 && status == kExitDone) {
    std::fputs(fmt::format("{}: {}\n", options.program(), sys_error(errno, "writing standard output").what())
                   .c_str(),
               stderr);
    return kExitIo;
  }
  return status;
}

Options& add_home(Options& options) {
  return options.value(
      "home", "DIR",
      "the installation's folder (default: where the program lies, $BACKLINE_HOME, your home)");
}

std::string program_directory() {
  std::string buffer(4096, '\0');
  const ssize_t n = check_sys(::readlink("/proc/self/exe", buffer.data(), buffer.size()),
                              [] { return "finding the program's folder"; });
  buffer.resize(static_cast<std::size_t>(n));
  return parent_of(buffer);
}

std::string find_home(const Options& options, const char* argv0) {
  if (const std::optional<std::string> home = options.get("home")) return clean_absolute(*home);
  // scripts/ may hold links to programs that are installed elsewhere: what counts is the path it was called
  // by.
  const std::string called = argv0 != nullptr ? argv0 : "";
  for (const std::string& directory :
       {called.find('/') != std::string::npos ? parent_of(called) : std::string(), program_directory()}) {
    if (directory.empty()) continue;
    char* resolved = ::realpath(directory.c_str(), nullptr);
    if (resolved == nullptr) continue;
    const std::string scripts = resolved;
    ::free(resolved);
    if (base_name(scripts) == "scripts" && path_exists(parent_of(scripts) + "/backupconfig.toml"))
      return parent_of(scripts);
  }
  if (const char* home = std::getenv("BACKLINE_HOME"); home != nullptr && *home != '\0')
    return clean_absolute(home);
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return clean_absolute(home);
  const passwd* user = ::getpwuid(::getuid());
  if (user == nullptr) throw Error(Kind::Config, "no home folder found; use --home DIR");
  return clean_absolute(user->pw_dir);
}

}  // namespace bk
