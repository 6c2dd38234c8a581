// Which jobs a bulk command is for. Pure.

import type { JobFilter } from '@/api/generated'

/** Most jobs that can be named one by one; the API takes no more. */
export const NAMED_MAX = 1_000

/** Some jobs by their ids, or all that match the filter, also those that nobody scrolled to. */
export type Selection = { all: false; ids: ReadonlySet<string> } | { all: true }

export const NOTHING: Selection = { all: false, ids: new Set() }
export const allThatMatch: Selection = { all: true }

/** Whether a job is meant. */
export function isSelected(selection: Selection, id: string): boolean {
  return selection.all || selection.ids.has(id)
}

/** The selection with a job added or taken away. */
export function withJob(selection: Selection, id: string, selected: boolean): Selection {
  const ids = new Set(selection.all ? [] : selection.ids)
  if (selected) {
    if (ids.size < NAMED_MAX) ids.add(id)
  } else {
    ids.delete(id)
  }
  return ids.size === 0 ? NOTHING : { all: false, ids }
}

/** What the API is told of a selection among the jobs that match `filter`: it wants `all` said when no condition is there. */
export function jobsOfSelection(selection: Selection, filter: JobFilter): { filter: JobFilter; all: boolean } {
  if (!selection.all) return { filter: { ids: [...selection.ids] }, all: false }
  return { filter, all: !Object.values(filter).some(isCondition) }
}

/** As the API sees it: an empty text and an empty list of tags leave out no job. */
function isCondition(value: JobFilter[keyof JobFilter]): boolean {
  return value !== null && value !== undefined && value.length > 0
}

/** How many jobs are meant; null when nobody counted them. */
export function selectedCount(selection: Selection, total: number | null): number | null {
  return selection.all ? total : selection.ids.size
}
