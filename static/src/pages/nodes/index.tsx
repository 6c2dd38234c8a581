// The nodes: state, load and executions; and ended nodes with the reason.

import { Link } from '@tanstack/react-router'
import { clsx } from 'clsx'
import { Server, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import {
  DrainNodeDocument,
  HeldByNodesDocument,
  type HeldByNodesQuery,
  type NodeEnd,
  NodesDocument,
  type NodesQuery,
} from '@/api/generated'
import { useApi } from '@/api/queries'
import { restMillis } from '@/api/spending'
import { useCommand } from '@/commands/command'
import { CommandButton } from '@/commands/offered'
import { Button } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Facts } from '@/components/facts'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { Empty, QueryBoundary } from '@/components/states'
import { StatusBadge } from '@/components/status'
import { Time } from '@/components/time'
import { duration } from '@/format/duration'
import { count } from '@/format/number'
import { useNow } from '@/lib/clock'
import { Load } from './load'
import { LOAD_SPANS, type LoadSpan } from './points'

/** The period of a node's heartbeat: a dead node is visible at once. */
const POLL_INTERVAL = 1_000

/** Minimum time between two reads of their executions. */
const HELD_POLL_INTERVAL = 2_000

/** Number of executions that are read, of all nodes together. */
const HELD_READ = 100

/** Number of executions in a card. */
const HELD_MAX = 20

type Node = NodesQuery['nodes'][number]
type Held = HeldByNodesQuery['executionsPage']['nodes'][number]

/** Why a node ended, in words. */
const ENDS: Record<NodeEnd, string> = {
  LEFT: 'It stopped by itself.',
  SESSION: 'It died: its database session ended. Its executions were taken over.',
  TTL: 'It was declared dead: its heartbeat was too old. Its executions were taken over.',
}

export default function NodesPage() {
  const result = useApi(NodesDocument, {}, { refetchInterval: POLL_INTERVAL })
  const [span, setSpan] = useState<LoadSpan>('1 hour')
  return (
    <Page
      title="Nodes"
      note="All nodes are equal: each can run every job."
      actions={(Object.keys(LOAD_SPANS) as LoadSpan[]).map((name) => (
        <Button
          key={name}
          aria-pressed={name === span}
          kind={name === span ? 'primary' : 'plain'}
          onClick={() => setSpan(name)}
        >
          {name}
        </Button>
      ))}
    >
      <QueryBoundary query={result} what="the nodes" lines={8}>
        {({ nodes }) => <NodeList nodes={nodes} span={span} />}
      </QueryBoundary>
    </Page>
  )
}

/** With more nodes the charts appear on request: each node has four. */
const CHARTS_SHOWN = 6

function NodeList({ nodes, span }: { nodes: Node[]; span: LoadSpan }) {
  const alive = nodes.filter(isAlive).toSorted((one, other) => one.name.localeCompare(other.name))
  const ended = nodes.filter((node) => !isAlive(node))
  const refetchInterval = () => Math.max(HELD_POLL_INTERVAL, restMillis())
  const held = useApi(HeldByNodesDocument, { first: HELD_READ }, { refetchInterval }).data?.executionsPage.nodes ?? []
  return (
    <>
      <Overload nodes={alive.filter((node) => node.state === 'ACTIVE')} />
      {alive.length === 0 && <Empty icon={Server} title="No node is alive" />}
      <div className="grid grid-cols-[repeat(auto-fit,minmax(min(20rem,100%),1fr))] items-start gap-4">
        {alive.map((node) => (
          <LiveNode
            key={node.id}
            node={node}
            held={held.filter(({ nodeId }) => nodeId === node.id)}
            span={span}
            open={alive.length <= CHARTS_SHOWN}
          />
        ))}
      </div>
      {ended.length > 0 && (
        <Panel title="Ended within a day" flush>
          <ul className="divide-y">
            {ended.map((node) => (
              <li
                key={node.id}
                data-node={node.name}
                className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 text-sm"
              >
                <StatusBadge status={node.state} />
                <span className="font-medium">{node.name}</span>
                <span className="text-muted">{node.endedBy && ENDS[node.endedBy]}</span>
                <span className="ml-auto text-muted">{node.endedAt && <Time at={node.endedAt} />}</span>
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  )
}

/** Any busy node has no free slot for a moment. */
const OVERLOAD_MILLIS = 10_000

/** Nodes without a free slot for a while, and the consequence. */
function Overload({ nodes }: { nodes: Node[] }) {
  const now = useNow()
  const since = (node: Node) => (node.fullSince ? Date.parse(node.fullSince) : Number.POSITIVE_INFINITY)
  const full = nodes.filter((node) => now - since(node) > OVERLOAD_MILLIS)
  if (full.length === 0) return null
  const all = full.length === nodes.length
  const longest = now - Math.min(...full.map(since))
  return (
    <section
      aria-label="Overload"
      className="flex items-start gap-2.5 rounded-lg border border-warn/40 bg-warn/10 px-4 py-3 text-sm"
    >
      <TriangleAlert size={16} aria-hidden className="mt-0.5 shrink-0 text-warn" />
      <p>
        <strong className="font-semibold">
          {all
            ? 'The cluster is overloaded: no node has a free slot'
            : `Overloaded: ${full.map(({ name }) => name).join(', ')}`}
        </strong>
        , for up to {duration(longest)}.{' '}
        {all
          ? 'Due executions wait for a free slot. More nodes, more slots (--slots) or shorter executions help.'
          : 'The other nodes take what is due.'}
      </p>
    </section>
  )
}

function LiveNode({ node, held, span, open }: { node: Node; held: Held[]; span: LoadSpan; open: boolean }) {
  const late = node.heartbeatAgeSeconds > 3
  return (
    <section aria-label={node.name} data-node={node.name}>
      <Panel title={node.name} aside={<StatusBadge status={node.state} />}>
        <div className="flex flex-col gap-4">
          <Slots node={node} />
          <Facts
            facts={[
              [
                'Heartbeat',
                <span key="heartbeat" className={clsx('tabular-nums', late && 'text-bad')}>
                  {duration(node.heartbeatAgeSeconds * 1_000)} ago
                </span>,
              ],
              [
                'Clock',
                `${node.clockOffsetMillis >= 0 ? '+' : '−'}${duration(Math.abs(node.clockOffsetMillis))} of the database's`,
              ],
              ['Address', node.address],
              ['Started', <Time key="started" at={node.startedAt} />],
              ['Version', node.version],
            ]}
          />
          <Load node={node} span={span} open={open} />
          <RunningExecutions node={node} held={held} />
          {node.state === 'ACTIVE' && <DrainButton node={node} />}
        </div>
      </Panel>
    </section>
  )
}

/** The load, as a bar and in numbers. */
function Slots({ node }: { node: Node }) {
  const { executionsRunning, slots } = node
  const full = slots > 0 && executionsRunning >= slots
  return (
    <div className="flex flex-col gap-1.5">
      <p className="text-sm">
        <strong className="font-semibold tabular-nums">{executionsRunning}</strong>
        <span className="text-muted"> of {slots} slots used</span>
        {full && (
          <strong className="font-semibold text-bad">
            {' '}
            · full{node.fullSince && <FullSince since={node.fullSince} />}: it starts nothing before something ends
          </strong>
        )}
      </p>
      <meter
        min={0}
        max={slots}
        value={executionsRunning}
        aria-label={`Slots of ${node.name}`}
        className={clsx('slots h-1.5 w-full', full && 'slots-full')}
      />
    </div>
  )
}

function FullSince({ since }: { since: string }) {
  const millis = useNow() - Date.parse(since)
  return millis < 1_000 ? '' : ` for ${duration(Math.floor(millis / 1_000) * 1_000)}`
}

/** The newest executions. The list is of all nodes together, and may have few of one node. */
function RunningExecutions({ node, held }: { node: Node; held: Held[] }) {
  const rows = held.slice(0, HELD_MAX)
  if (rows.length === 0) return null
  const more = node.executionsRunning - rows.length
  return (
    <div className="flex flex-col gap-1.5">
      <h3 className="text-muted text-xs">Runs now</h3>
      <ul className="flex flex-col gap-1 text-sm">
        {rows.map((row) => (
          <li key={row.id} className="flex justify-between gap-3">
            <Link
              to="/executions/$executionId"
              params={{ executionId: row.id }}
              className="min-w-0 truncate hover:underline"
            >
              <Name text={row.jobName ?? row.jobId} />
            </Link>
            <span className="shrink-0 text-muted">{row.startedAt && <Time at={row.startedAt} />}</span>
          </li>
        ))}
      </ul>
      {more > 0 && (
        <Link
          to="/executions"
          search={{ node: node.id, status: ['RUNNING'] }}
          className="text-accent text-xs hover:underline"
        >
          and {count(more)} more
        </Link>
      )}
    </div>
  )
}

function DrainButton({ node }: { node: Node }) {
  const ask = useConfirm()
  const drain = useCommand(DrainNodeDocument, () => `“${node.name}” takes nothing new.`)
  const confirmed = async () => {
    const sure = await ask({
      title: `Drain “${node.name}”?`,
      text: 'It finishes its executions and starts no new ones. The other nodes continue; a restart brings it back.',
      action: 'Drain node',
      danger: true,
    })
    if (sure !== null) drain.mutate({ id: node.id })
  }
  return (
    <CommandButton command="drainNode" className="self-start" busy={drain.isPending} onClick={() => void confirmed()}>
      Drain
    </CommandButton>
  )
}

function isAlive(node: Node): boolean {
  return node.state === 'ACTIVE' || node.state === 'DRAINING'
}
