// The state of the whole cluster: read once, then updated by events. The navigation and the overview show the same
// data.

import { useQueryClient } from '@tanstack/react-query'
import { useRouterState } from '@tanstack/react-router'
import { useEffect } from 'react'
import {
  OverviewDocument,
  type OverviewPartsFragment,
  type OverviewQuery,
  OverviewUpdatedDocument,
} from '@/api/generated'
import { useLive, usePollInterval } from '@/api/live'
import { useApi } from '@/api/queries'
import { keyOf } from '@/api/read'
import { count } from '@/format/number'
import { noteDatabaseTime } from '@/lib/clock'

/** Time between two reads without events, in milliseconds. */
const POLL_INTERVAL = 3_000

/** Seconds between two overviews: on its own page, and elsewhere for the navigation. */
const TOLD_EVERY = { overview: 1, elsewhere: 10 }

/** The newest overview. */
export function useOverview() {
  const refetchInterval = usePollInterval(POLL_INTERVAL)
  return useApi(OverviewDocument, {}, { refetchInterval })
}

/** Keeps the overview fresh; used once, by the shell. */
export function useOverviewUpdates() {
  const queries = useQueryClient()
  const { data } = useOverview()
  const path = useRouterState({ select: (state) => state.location.pathname })
  const everySeconds = path === '/' ? TOLD_EVERY.overview : TOLD_EVERY.elsewhere
  useLive(OverviewUpdatedDocument, { everySeconds }, ({ overviewUpdated }) => {
    queries.setQueryData<OverviewQuery>(keyOf(OverviewDocument, {}), { overview: overviewUpdated })
  })
  useEffect(() => {
    if (data) noteDatabaseTime(data.overview.cluster.databaseTime)
  }, [data])
}

/** The state of the cluster, in one word and one sentence. */
export interface Health {
  tone: 'good' | 'warn' | 'bad'
  title: string
}

/** Judges the overview. */
export function healthOf(overview: OverviewPartsFragment): Health {
  const { cluster, attention, attentionTotal } = overview
  if (cluster.pause) return { tone: 'bad', title: 'The cluster is paused' }
  if (cluster.activeNodes === 0) return { tone: 'bad', title: 'No node takes work' }
  const jobsOf = (list: typeof attention) => new Set(list.map((one) => one.jobId)).size
  const late = jobsOf(attention.filter((one) => one.kind === 'LATE'))
  if (late > 0 && isFull(cluster)) return { tone: 'bad', title: `All ${count(cluster.slots)} slots are taken` }
  const urgent = jobsOf(attention.filter((one) => one.kind === 'LATE' || one.kind === 'STUCK'))
  if (urgent > 0) return { tone: 'bad', title: jobs(urgent, 'late or stuck') }
  if (attention.some((one) => !one.jobId)) return { tone: 'warn', title: 'The cluster needs attention' }
  // The count includes entries that the list leaves out.
  const hidden = Math.max(0, attentionTotal - attention.length)
  if (attentionTotal > 0) return { tone: 'warn', title: attentionOf(jobsOf(attention) + hidden) }
  return { tone: 'good', title: 'All is well' }
}

function attentionOf(number: number): string {
  return number === 1 ? 'One job needs attention' : `${count(number)} jobs need attention`
}

/** Whether no node has a free slot. */
export function isFull({ slots, executionsRunning }: OverviewPartsFragment['cluster']): boolean {
  return slots > 0 && executionsRunning >= slots
}

function jobs(number: number, what: string): string {
  return `${number === 1 ? 'One job is' : `${count(number)} jobs are`} ${what}`
}
