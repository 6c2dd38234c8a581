// Selected executions in the form of the API. Pure.

import type { ExecutionFilter } from '@/api/generated'
import type { Executions } from '@/commands/executions'
import { EXECUTION_STATUSES } from '@/filters/enums'
import { isInFlight } from '@/format/execution'
import type { Selection } from '@/lib/selection'

const ENDED = EXECUTION_STATUSES.filter((status) => !isInFlight(status))

/** The selection for a cancellation. */
export function cancelledBy(selection: Selection, filter: ExecutionFilter): Executions {
  return selection.all ? allOf(filter) : { filter: { ids: [...selection.ids] }, all: false }
}

/**
 * The selection for a rerun: a ticked execution that succeeded is included, a filter without a status means the
 * failures.
 */
export function repeatedBy(selection: Selection, filter: ExecutionFilter): Executions {
  return selection.all ? allOf(filter) : { filter: { ids: [...selection.ids], status: ENDED }, all: false }
}

function allOf(filter: ExecutionFilter): Executions {
  return { filter, all: Object.values(filter).every((value) => value === null || value === undefined) }
}
