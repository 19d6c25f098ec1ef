// bk_access client: gitosis-admin edited on the server itself, as one commit, and put in force.
#pragma once

#include "server/access/client_edit.h"

#include <functional>
#include <string>
#include <vector>

namespace bk::server {

// Reads the tip, edits, judges the result as a push is judged, commits it on top, moves the branch when
// nobody else did meanwhile (else edits again, a few times), and puts it in force.  Durable when it returns;
// a crash leaves the old tip or the new one.  Returns lines for the administrator: what changed, notes,
// warnings. Throws Refused when run by anybody but the repository's owner.
std::vector<std::string> edit_clients(const std::string& home, const std::string& message,
                                      const std::function<Edited(const AdminTree&)>& edit);

}  // namespace bk::server
