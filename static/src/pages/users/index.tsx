// The users of the cluster, for admins.

import { UserPlus } from 'lucide-react'
import { useState } from 'react'
import { Guarded } from '@/access/guarded'
import { useMe } from '@/access/me'
import { rolesLabel } from '@/access/rights'
import { type UserRowFragment, UsersDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { Empty, QueryBoundary } from '@/components/states'
import { StatusBadge } from '@/components/status'
import { Table } from '@/components/table'
import { Time } from '@/components/time'
import { CreateUserDialog } from './create-dialog'
import { UserMenu } from './user-menu'

const POLL_INTERVAL = 15_000
const HEADERS = ['Name', 'Role', 'State', 'Last sign-in', 'Created', 'Commands']

export default function UsersPage() {
  return (
    <Guarded command="users">
      <UserList />
    </Guarded>
  )
}

function UserList() {
  const [creating, setCreating] = useState(false)
  const isOpen = useMe()?.kind === 'ANONYMOUS'
  const result = useApi(UsersDocument, {}, { refetchInterval: POLL_INTERVAL })
  return (
    <Page
      title="Users"
      note="People who sign in. Programs have API tokens."
      actions={
        <Button kind="primary" icon={UserPlus} onClick={() => setCreating(true)}>
          {isOpen ? 'Create the first admin' : 'New user'}
        </Button>
      }
    >
      <QueryBoundary query={result} what="the users" lines={6}>
        {({ users }) => (
          <Panel flush>
            {users.length === 0 ? (
              <Empty icon={UserPlus} title="No user yet">
                {isOpen && 'The cluster is open: any client that reaches a node may do everything. '}
                The first user is an admin.
              </Empty>
            ) : (
              <Table label="Users" headers={HEADERS}>
                {users.map((user) => (
                  <UserRow key={user.id} user={user} />
                ))}
              </Table>
            )}
          </Panel>
        )}
      </QueryBoundary>
      {creating && <CreateUserDialog onClose={() => setCreating(false)} />}
    </Page>
  )
}

function UserRow({ user }: { user: UserRowFragment }) {
  const me = useMe()
  return (
    <tr className="hover:bg-hover/60">
      <th scope="row" className="h-11 px-4 font-medium [overflow-wrap:anywhere]">
        <Name text={user.name} />
        {me?.kind === 'USER' && me.name === user.name && <span className="font-normal text-muted"> (you)</span>}
      </th>
      <td className="px-4">{rolesLabel(user)}</td>
      <td className="px-4 whitespace-nowrap">
        <StatusBadge status={user.isDisabled ? 'DISABLED' : 'ACTIVE'} />
        {!user.hasPassword && <span className="text-muted text-xs"> · without a password</span>}
      </td>
      <td className="px-4 text-muted">{user.lastSignInAt ? <Time at={user.lastSignInAt} /> : 'never'}</td>
      <td className="px-4 text-muted">
        <Time at={user.createdAt} /> by <Name text={user.createdBy} />
      </td>
      <td className="w-12 px-2 text-right">
        <UserMenu user={user} />
      </td>
    </tr>
  )
}
