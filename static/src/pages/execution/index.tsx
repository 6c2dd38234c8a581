// One execution: the outcome of one fire time, its reason, its node, and the duration of each step.

import { getRouteApi, Link } from '@tanstack/react-router'
import { FileQuestion } from 'lucide-react'
import type { ReactNode } from 'react'
import { ExecutionDocument, type ExecutionQuery, NodeNamesDocument } from '@/api/generated'
import { usePollInterval } from '@/api/live'
import { useApi } from '@/api/queries'
import { useRefreshOnEvents } from '@/api/refresh'
import { Missing, Page, Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { StatusBadge } from '@/components/status'
import { TextBlock } from '@/components/text-block'
import { Time } from '@/components/time'
import { UpLink } from '@/components/up-link'
import { explanation } from '@/format/execution'
import { indented } from '@/lib/json'
import { AdjacentLinks } from './adjacent-links'
import { AttemptTable } from './attempt-table'
import { attemptsOf } from './attempts'
import { Commands } from './commands'
import { ExecutionFacts } from './facts'
import { Steps } from './steps'

const SHOWN = { executions: [ExecutionDocument], jobs: [] }
const POLL_INTERVAL = 2_000
const route = getRouteApi('/executions/$executionId')

export default function ExecutionPage() {
  const { executionId } = route.useParams()
  const refetchInterval = usePollInterval(POLL_INTERVAL)
  const result = useApi(ExecutionDocument, { id: executionId }, { refetchInterval })
  return (
    <QueryBoundary query={result} what="the execution" lines={8} alone>
      {({ execution }) =>
        execution ? (
          <ExecutionView execution={execution} />
        ) : (
          <Missing icon={FileQuestion} title="There is no such execution">
            Its id is {executionId}. Old executions are removed with their partitions of the log.
          </Missing>
        )
      }
    </QueryBoundary>
  )
}

function ExecutionView({ execution }: { execution: NonNullable<ExecutionQuery['execution']> }) {
  useRefreshOnEvents(execution.jobId, SHOWN)
  const nodes = useApi(NodeNamesDocument, {}, { staleTime: 10_000 })
  const attempts = attemptsOf(execution)
  // A skipped fire time has a message, too, but no error.
  const messageTitle = execution.status === 'SKIPPED' ? 'Message' : 'Error'
  const nameOf = (id: string) =>
    id === execution.nodeId && execution.nodeName
      ? execution.nodeName
      : (nodes.data?.nodes.find((node) => node.id === id)?.name ?? id)
  return (
    <Page
      up={<UpLink to="/executions" />}
      title={
        <Link to="/jobs/$jobId" params={{ jobId: execution.jobId }} className="hover:underline" dir="auto">
          {execution.jobName ?? execution.jobId}
        </Link>
      }
      note={
        <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <StatusBadge status={execution.status} detail={execution.reason} />
          <span>
            fire time <Time at={execution.fireTime} as="exact" />
          </span>
        </span>
      }
      actions={
        <>
          <AdjacentLinks execution={execution} />
          <Commands execution={execution} />
        </>
      }
    >
      <Panel title="What happened">
        <p className="mb-3">
          {explanation(execution)}
          {execution.coalescedInto && (
            <>
              {' '}
              <Link
                to="/executions/$executionId"
                params={{ executionId: execution.coalescedInto }}
                className="text-accent hover:underline"
              >
                See the execution that runs in its place
              </Link>
            </>
          )}
        </p>
        <Steps execution={execution} />
        <Repetitions execution={execution} />
      </Panel>
      {execution.errorMessage && (
        <Panel title={messageTitle}>
          <TextBlock label={messageTitle} text={execution.errorMessage} />
        </Panel>
      )}
      {execution.output && (
        <Panel title="Output">
          <TextBlock label="Output" text={indented(execution.output)} />
        </Panel>
      )}
      {execution.payload && (
        <Panel title="Payload" aside="of its own, instead of the job's">
          <TextBlock label="Payload" text={indented(execution.payload)} />
        </Panel>
      )}
      {attempts.length > 0 && (
        <Panel title="Attempts" flush>
          <AttemptTable attempts={attempts} nameOf={nameOf} />
        </Panel>
      )}
      <Panel title="Details">
        <ExecutionFacts execution={execution} />
      </Panel>
    </Page>
  )
}

/** The execution that it repeats, and its reruns. */
function Repetitions({ execution }: { execution: NonNullable<ExecutionQuery['execution']> }) {
  const { repeats, repeatedBy } = execution
  const [newest] = repeatedBy
  if (!repeats && !newest) return null
  return (
    <p className="mt-3 flex flex-wrap gap-x-4">
      {repeats && <Other id={repeats}>It runs the fire time of another execution again</Other>}
      {newest && (
        <Other id={newest}>
          {repeatedBy.length === 1 ? 'It has run again' : `It has run again ${repeatedBy.length} times: see the last`}
        </Other>
      )}
    </p>
  )
}

function Other({ id, children }: { id: string; children: ReactNode }) {
  return (
    <Link to="/executions/$executionId" params={{ executionId: id }} className="text-accent hover:underline">
      {children}
    </Link>
  )
}
