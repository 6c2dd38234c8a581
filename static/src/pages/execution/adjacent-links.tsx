import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import { send } from '@/api/client'
import { type ExecutionQuery, JobExecutionIdsDocument } from '@/api/generated'
import { currentSession } from '@/api/session'
import { IconButton } from '@/components/button'
import { databaseNow } from '@/lib/clock'
import { useShortcuts } from '@/lib/shortcuts'
import { type Adjacent, adjacentTo, type Reader } from './adjacent'

type Execution = Pick<NonNullable<ExecutionQuery['execution']>, 'id' | 'jobId' | 'fireTime'>

/** Executions of one read: few jobs have more between two of them. */
const PAGE_SIZE = 50
/** Time between two looks for the execution after the last one, in milliseconds. */
const INTERVAL = 10_000

/** The executions of the same job before and after this one: by a click, or by `p` and `n`. */
export function AdjacentLinks({ execution }: { execution: Execution }) {
  const navigate = useNavigate()
  const { data } = useQuery({
    queryKey: ['Adjacent', execution.id],
    queryFn: () => adjacentTo(execution, databaseNow(), readerOf(execution.jobId)),
    refetchInterval: ({ state }) => (state.data?.next ? false : INTERVAL),
  })
  const go = (to: keyof Adjacent) => {
    const id = data?.[to]
    if (id) void navigate({ to: '/executions/$executionId', params: { executionId: id } })
    return id !== undefined && id !== null
  }
  useShortcuts((key) => {
    // The sign-in page is above the page, which waits.
    if (currentSession().state !== 'open') return false
    if (key === 'p') return go('previous')
    return key === 'n' && go('next')
  })
  return (
    <span className="flex">
      <IconButton
        icon={ChevronLeft}
        label="Previous execution of the job"
        aria-keyshortcuts="p"
        disabled={!data?.previous}
        onClick={() => go('previous')}
      />
      <IconButton
        icon={ChevronRight}
        label="Next execution of the job"
        aria-keyshortcuts="n"
        disabled={!data?.next}
        onClick={() => go('next')}
      />
    </span>
  )
}

function readerOf(jobId: string): Reader {
  return {
    before: async (id) => {
      const { executionsPage } = await send(JobExecutionIdsDocument, { first: 1, after: id, filter: { jobId } })
      return executionsPage.nodes[0] ?? null
    },
    range: async (from, to) => {
      const filter = { jobId, from: new Date(from).toISOString(), to: new Date(to).toISOString() }
      const { executionsPage } = await send(JobExecutionIdsDocument, { first: PAGE_SIZE, after: null, filter })
      return { nodes: executionsPage.nodes, complete: !executionsPage.pageInfo.hasNextPage }
    },
  }
}
