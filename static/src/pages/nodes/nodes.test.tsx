import { screen, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import { last, open } from '@/testing/render'

const node = (given: object) => ({
  id: 'n1',
  name: 'node-1',
  address: '127.0.0.1:8081',
  version: '0.1.0',
  state: 'ACTIVE',
  slots: 64,
  executionsRunning: 3,
  fullSince: null,
  clockOffsetMillis: 0,
  startedAt: '2026-11-23T07:00:00.000Z',
  heartbeatAt: '2026-11-23T07:15:00.000Z',
  heartbeatAgeSeconds: 0.2,
  endedAt: null,
  endedBy: null,
  ...given,
})
const held = (count: number) => ({
  executionsPage: {
    nodes: [...Array(count).keys()].map((n) => ({
      id: `e${n}`,
      nodeId: 'n1',
      jobId: 'j',
      jobName: 'Report',
      startedAt: null,
      attempt: 1,
    })),
  },
})

test('a node that is full says so, and how many it runs besides those that it names', async () => {
  await open('/nodes', {
    Nodes: () => ({ nodes: [node({ executionsRunning: 64 })] }),
    HeldByNodes: () => held(64),
  })
  const card = await screen.findByRole('region', { name: 'node-1' })
  expect(card.textContent).toContain('full: it starts nothing before something ends')
  expect((await screen.findByRole('link', { name: 'and 44 more' })).getAttribute('href')).toBe(
    '/executions?node=n1&status=RUNNING',
  )
})

test('a node with room does not', async () => {
  await open('/nodes', { Nodes: () => ({ nodes: [node({})] }), HeldByNodes: () => held(3) })
  expect((await screen.findByRole('region', { name: 'node-1' })).textContent).not.toContain('full')
  expect(await screen.findAllByText('Report')).toHaveLength(3)
  expect(screen.queryByText(/more$/)).toBeNull()
})

test('overload is said, of some nodes and of all, and for how long', async () => {
  // The database's time, as the factory has it, is 07:15.
  const full = (name: string) => node({ id: name, name, executionsRunning: 64, fullSince: '2026-11-23T07:10:00.000Z' })
  let nodes = [full('node-1'), node({ id: 'n2', name: 'node-2' })]
  const { queries } = await open('/nodes', { Nodes: () => ({ nodes }), HeldBy: () => held(0) })
  const overload = await screen.findByRole('region', { name: 'Overload' })
  // The clock is the database's as soon as that is known.
  await waitFor(() => expect(overload.textContent).toMatch(/^Overloaded: node-1, for up to 5 min/), { timeout: 3_000 })
  expect((await screen.findByRole('region', { name: 'node-1' })).textContent).toMatch(/full for 5 min/)
  nodes = [full('node-1'), full('node-2')]
  await queries.invalidateQueries()
  await waitFor(() => expect(overload.textContent).toContain('The cluster is overloaded: no node has a free slot'))
})

test('how long no slot was free stands above the charts of the load', async () => {
  const point = { ...POINT, fullSeconds: 40 }
  const { user, asked } = await open('/nodes', {
    Nodes: () => ({ nodes: [node({})] }),
    HeldBy: () => held(0),
    NodeLoad: () => ({ nodeLoad: [point, { ...point, at: '2026-11-23T07:11:00.000Z' }] }),
  })
  await screen.findByText('No slot was free for 1 min 20 s of the last hour.')
  for (const name of ['Slots in use', 'Lateness', 'Processor', 'Memory']) {
    expect(await screen.findByRole('figure', { name: `${name}, last 1 hour` })).toBeTruthy()
  }
  await user.click(screen.getByRole('button', { name: '24 hours' }))
  await waitFor(() => expect(last(asked, 'NodeLoad')).toEqual({ id: 'n1', minutes: 1_440 }))
})

const POINT = {
  at: '2026-11-23T07:10:00.000Z',
  seconds: 60,
  slots: 64,
  slotsUsed: 3.5,
  fullSeconds: 0,
  cpu: 0.2,
  memoryBytes: 80_000_000,
  latenessP50Millis: 1,
  latenessP99Millis: 4,
}
