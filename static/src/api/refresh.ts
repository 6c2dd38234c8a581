// Events announce changes. The visible queries are then read again, at a limited rate, and within the network budget of
// a tab.

import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef } from 'react'
import { nameOf } from './client'
import { ExecutionsHappenedDocument, JobHappenedDocument } from './generated'
import { useLive } from './live'
import { restMillis } from './spending'

/**
 * Minimum time between two reads because of events, in milliseconds: a busy cluster has thousands of events a second.
 */
const PACE = 1_000

interface ShownRows {
  /** Queries about executions. */
  executions: Operation[]
  /** Queries about jobs. */
  jobs: Operation[]
}

interface Operation {
  toString(): string
}

/** Reads queries again after a change of an execution (of one job, or of any) or of a job. */
export function useRefreshOnEvents(jobId: string | null, { executions, jobs }: ShownRows) {
  const queries = useQueryClient()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const changed = useRef(new Set<string>())
  useEffect(() => () => clearTimeout(timer.current), [])
  const refresh = useCallback(
    (shown: Operation[]) => {
      for (const document of shown) changed.current.add(nameOf(document))
      timer.current ??= setTimeout(
        () => {
          timer.current = undefined
          for (const name of changed.current) void queries.invalidateQueries({ queryKey: [name] })
          changed.current.clear()
        },
        Math.max(PACE, restMillis()),
      )
    },
    [queries],
  )
  useLive(ExecutionsHappenedDocument, { jobId }, () => refresh(executions))
  useLive(JobHappenedDocument, {}, ({ jobUpdated }) => {
    if (jobId === null || jobUpdated.id === jobId) refresh(jobs)
  })
}
