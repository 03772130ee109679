// The members of a group as HDF5's earliest format keeps them: a tree whose leaves point to tables of symbols, and a
// heap with their names.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "hdf5/header_messages.h"
#include "hdf5/source.h"

namespace trellis {

// One member; `table` are the places of its own members where it is a group that says so.
struct Hdf5Symbol {
  Hdf5Link link;
  std::optional<Hdf5SymbolTable> table;
};

// A symbol table entry in a table of a group or in the superblock: the address of its object, and what it says of it.
// Soft links are refused. `name` is the entry's own, for errors.
Hdf5Symbol parse_hdf5_symbol(Hdf5Cursor& entry, std::string name);

// Calls `visit` for every member in order of names. Refuses tables that are not in that order.
void for_each_hdf5_symbol(Hdf5Source& source, const Hdf5SymbolTable& group,
                          const std::function<void(Hdf5Symbol)>& visit);

}  // namespace trellis
