// The bare repository data/<client>/git/<path>.git: a view that stock git clones; the snapshots are the
// truth.
#pragma once

#include "common/io/lock.h"
#include "server/store/snapshot.h"
#include "server/store/store.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

// Where the mirror of a source lies.  Different sources get different folders, none inside another: a folder
// on the way that ends like a mirror (".git", ".git~" …) gets one more "~".  Names too long for a file system
// become "~<digest>.git".
[[nodiscard]] std::string git_view_path(const std::string& home, const std::string& client,
                                        std::string_view name);

// Which files of a mirror a snapshot holds (paths relative to it): refs, HEAD, config, packs.
[[nodiscard]] bool belongs_to_git_snapshot(std::string_view path);

// The snapshot that the mirror is known to equal, or "".
[[nodiscard]] std::string git_view_snapshot(const std::string& mirror);
void forget_git_view_snapshot(const std::string& mirror);
// Takes away the locks of a git that was killed while it wrote.  For the holder of lock_git_view: nobody else
// writes there.
void unlock_git_view(const std::string& mirror);
void remember_git_view_snapshot(const std::string& mirror, const std::string& snapshot_id);

// Makes the mirror anew from a snapshot of method git, replacing what is there.  Afterwards git reads it, and
// git_view_snapshot() names the record.  Throws Corrupt when the store cannot give it.
void rebuild_git_view(
    store::Store& store, const store::SnapshotRecord& record, const std::string& mirror,
    const std::function<void()>& alive = [] {});

// Held while a mirror is changed; waits.
[[nodiscard]] FileLock lock_git_view(const std::string& home, const std::string& mirror);

// Every source of method git gets its mirror as its newest record has it; those that are so already stay.
// `records` in the order of Store::snapshots().  A record that the store cannot give goes to `damaged` with
// the reason; its mirror stays as it is, and the others are made.  Returns how many were made anew.
std::size_t rebuild_git_views(
    const std::string& home, store::Store& store, const std::vector<store::SnapshotRecord>& records,
    const std::function<void(const store::SnapshotRecord& record, const std::string& reason)>& damaged);

}  // namespace bk::pull
