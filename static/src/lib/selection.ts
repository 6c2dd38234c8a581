// The rows of a list that a bulk command is for. Pure.

/** Most rows that a command names one by one: a limit of the API. */
export const NAMED_MAX = 1_000

/** Some rows by their ids, or all rows that match the filter, also those that were never visible. */
export type Selection = { all: false; ids: ReadonlySet<string> } | { all: true }

export const NOTHING: Selection = { all: false, ids: new Set() }
export const allThatMatch: Selection = { all: true }

/** Whether a row is selected. */
export function isSelected(selection: Selection, id: string): boolean {
  return selection.all || selection.ids.has(id)
}

/** The selection with a row added or removed. */
export function withRow(selection: Selection, id: string, selected: boolean): Selection {
  const ids = new Set(selection.all ? [] : selection.ids)
  if (selected) {
    if (ids.size < NAMED_MAX) ids.add(id)
  } else {
    ids.delete(id)
  }
  return ids.size === 0 ? NOTHING : { all: false, ids }
}

/** Number of selected rows; null without a count of the server. */
export function selectedCount(selection: Selection, total: number | null): number | null {
  return selection.all ? total : selection.ids.size
}
