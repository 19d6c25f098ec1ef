// Owner, mode, extended attributes and times of one restored entry.
//
// The order is forced by the kernel: chown clears setuid bits and capabilities, setting an ACL changes the
// mode's group bits, and everything changes times.  So: owner, attributes, mode, time.
#pragma once

#include "common/restore/report.h"
#include "common/tree/entry.h"

#include <string>

namespace bk {

// Of an open regular file or directory.  `shown` is its path in reports.  What cannot be set is reported.
void set_metadata(int fd, const Entry& entry, RestoreReport& report, const std::string& shown);

// Of a symlink, FIFO, socket or device by its directory's descriptor and name, never through a symlink.
void set_metadata_at(int directory_fd, const Entry& entry, RestoreReport& report, const std::string& shown);

}  // namespace bk
