// Events say that something changed; what is on the screen is then read again, not more than once in a while.

import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef } from 'react'
import { nameOf } from './client'
import { ExecutionHappenedDocument, JobHappenedDocument } from './generated'
import { useLive } from './live'

/** Least time between two reads because of events, in milliseconds: a busy cluster has thousands of events a second. */
const PACE = 1_000

/** Reads these queries again when an execution (of one job, or any) or a job changed. */
export function useRefreshOnEvents(jobId: string | null, documents: { toString(): string }[]) {
  const queries = useQueryClient()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const names = documents.map(nameOf).join(' ')
  useEffect(() => () => clearTimeout(timer.current), [])
  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      for (const name of names.split(' ')) void queries.invalidateQueries({ queryKey: [name] })
    }, PACE)
  }, [queries, names])
  useLive(ExecutionHappenedDocument, { jobId }, refresh)
  useLive(JobHappenedDocument, {}, ({ jobUpdated }) => {
    if (jobId === null || jobUpdated.id === jobId) refresh()
  })
}
