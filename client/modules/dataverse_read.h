// One file of a Dataverse from its store into the spool, checked.
#pragma once

#include "client/modules/dataverse_config.h"
#include "client/modules/dataverse_list.h"
#include "client/modules/mirror.h"
#include "common/s3/s3.h"
#include "common/time/time.h"

#include <map>
#include <memory>
#include <string>

namespace bk::client {

struct ReadOutcome {
  std::string status = "OK";  // OK, FAIL_READ, FAIL_WRITE, FAIL_VERIFY
  std::string why;
  std::uint64_t bytes = 0;
  std::string staged;           // the main file, below partial/, when OK
  std::string staged_original;  // the upload of what was ingested as a table, when OK
};

// Reads for one thread.
class DataverseReader {
 public:
  DataverseReader(const DataverseSource& source, const Mirror& mirror, const Clock& clock)
      : source_(source), mirror_(mirror), clock_(clock) {}
  // Every failure of this one file is an outcome.  Throws only when the local disk is full.
  [[nodiscard]] ReadOutcome read(const ListedFile& file, const StoragePlace& place);

 private:
  struct Content {
    std::string name;  // with ".orig" for an upload
    std::optional<std::uint64_t> bytes;
    bool checked = true;  // with the checksum that Dataverse has
  };
  void read_content(const ListedFile& file, const StoragePlace& place, const Content& content,
                    const std::string& staged, ReadOutcome& out);
  void from_folder(const std::string& folder, const ListedFile& file, const Content& content,
                   const std::string& staged, ReadOutcome& out) const;
  // A bucket, and how often in a row it did not answer.
  struct Remote {
    std::unique_ptr<s3::Bucket> bucket;
    int silent = 0;
    std::string why;
  };
  void from_bucket(Remote& remote, const ListedFile& file, const Content& content, const std::string& staged,
                   ReadOutcome& out) const;

  const DataverseSource& source_;
  const Mirror& mirror_;
  const Clock& clock_;
  std::map<std::string, Remote> buckets_;  // by label and bucket of what was read
};

}  // namespace bk::client
