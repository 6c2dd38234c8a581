// Which rows of a list a bulk command is for. Pure.

/** Most rows that can be named one by one; the API takes no more. */
export const NAMED_MAX = 1_000

/** Some rows by their ids, or all that match the filter, also those that nobody scrolled to. */
export type Selection = { all: false; ids: ReadonlySet<string> } | { all: true }

export const NOTHING: Selection = { all: false, ids: new Set() }
export const allThatMatch: Selection = { all: true }

/** Whether a row is meant. */
export function isSelected(selection: Selection, id: string): boolean {
  return selection.all || selection.ids.has(id)
}

/** The selection with a row added or taken away. */
export function withRow(selection: Selection, id: string, selected: boolean): Selection {
  const ids = new Set(selection.all ? [] : selection.ids)
  if (selected) {
    if (ids.size < NAMED_MAX) ids.add(id)
  } else {
    ids.delete(id)
  }
  return ids.size === 0 ? NOTHING : { all: false, ids }
}

/** How many rows are meant; null when nobody counted them. */
export function selectedCount(selection: Selection, total: number | null): number | null {
  return selection.all ? total : selection.ids.size
}
