// The API tokens of the cluster, for admins.

import { KeyRound, Plus } from 'lucide-react'
import { useState } from 'react'
import { Guarded } from '@/access/guarded'
import { useMe } from '@/access/me'
import { rolesLabel } from '@/access/rights'
import { ApiTokensDocument, RevokeApiTokenDocument, type TokenRowFragment } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useCommand } from '@/commands/command'
import { Button } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { Empty, QueryBoundary } from '@/components/states'
import { StatusBadge } from '@/components/status'
import { Table } from '@/components/table'
import { Time } from '@/components/time'
import { useNow } from '@/lib/clock'
import { CreateTokenDialog } from './create-dialog'

const POLL_INTERVAL = 15_000
const HEADERS = ['Name', 'Role', 'State', 'Expires', 'Last used', 'Created', 'Commands']

export default function TokensPage() {
  return (
    <Guarded command="apiTokens">
      <TokenList />
    </Guarded>
  )
}

function TokenList() {
  const [creating, setCreating] = useState(false)
  // A token closes the cluster, too, and no user could sign in.
  const isOpen = useMe()?.kind === 'ANONYMOUS'
  const result = useApi(ApiTokensDocument, {}, { refetchInterval: POLL_INTERVAL })
  return (
    <Page
      title="API tokens"
      note="Credentials of programs: a name, a role, an end"
      actions={
        <Button
          kind="primary"
          icon={Plus}
          disabled={isOpen}
          title={isOpen ? 'Create the first admin before the first token' : undefined}
          onClick={() => setCreating(true)}
        >
          New token
        </Button>
      }
    >
      <QueryBoundary query={result} what="the tokens" lines={6}>
        {({ apiTokens }) => (
          <Panel flush>
            {apiTokens.length === 0 ? (
              <Empty icon={KeyRound} title="No API token yet">
                {isOpen && 'The cluster is open: programs need none. Create the first admin before the first token.'}
              </Empty>
            ) : (
              <Table label="API tokens" headers={HEADERS}>
                {apiTokens.map((token) => (
                  <TokenRow key={token.id} token={token} />
                ))}
              </Table>
            )}
          </Panel>
        )}
      </QueryBoundary>
      {creating && <CreateTokenDialog onClose={() => setCreating(false)} />}
    </Page>
  )
}

function TokenRow({ token }: { token: TokenRowFragment }) {
  const state = stateOf(token, useNow())
  return (
    <tr className={state === 'ACTIVE' ? 'hover:bg-hover/60' : 'text-muted hover:bg-hover/60'}>
      <th scope="row" className="h-11 px-4 font-medium [overflow-wrap:anywhere]">
        <Name text={token.name} />
      </th>
      <td className="px-4">{rolesLabel(token)}</td>
      <td className="px-4 whitespace-nowrap">
        <StatusBadge status={state} />
        {token.revokedAt && (
          <span className="text-xs">
            {' '}
            <Time at={token.revokedAt} />
          </span>
        )}
      </td>
      <td className="px-4">
        <Time at={token.expiresAt} />
      </td>
      <td className="px-4 whitespace-nowrap">{token.lastUsedOn ?? 'never'}</td>
      <td className="px-4 text-muted">
        <Time at={token.createdAt} /> by <Name text={token.createdBy} />
      </td>
      <td className="px-4 text-right">{state === 'ACTIVE' && <RevokeButton token={token} />}</td>
    </tr>
  )
}

function stateOf({ revokedAt, expiresAt }: TokenRowFragment, now: number): string {
  if (revokedAt) return 'REVOKED'
  return Date.parse(expiresAt) <= now ? 'EXPIRED' : 'ACTIVE'
}

function RevokeButton({ token }: { token: TokenRowFragment }) {
  const ask = useConfirm()
  const revoke = useCommand(RevokeApiTokenDocument, () => `The token “${token.name}” is revoked.`)
  const confirmed = async () => {
    const sure = await ask({
      title: `Revoke the token “${token.name}”?`,
      text: 'All nodes refuse it within 5 seconds. It cannot be restored: its program needs another token.',
      action: 'Revoke token',
      danger: true,
    })
    if (sure !== null) revoke.mutate({ id: token.id })
  }
  return (
    <Button aria-label={`Revoke the token ${token.name}`} busy={revoke.isPending} onClick={() => void confirmed()}>
      Revoke…
    </Button>
  )
}
