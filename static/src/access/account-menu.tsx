import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { KeyRound, LogOut, MonitorX, UserPlus } from 'lucide-react'
import { useState } from 'react'
import { errorMessage } from '@/api/client'
import { SignOutEverywhereDocument } from '@/api/generated'
import { noteSignedOut } from '@/api/session'
import { signOut } from '@/api/sign-in'
import { useCommand } from '@/commands/command'
import { IconButton } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Menu, MenuItem, MenuLine, MenuNote } from '@/components/menu'
import { Name } from '@/components/name'
import { enumLabel } from '@/components/status'
import { useToast } from '@/components/toasts'
import type { Look } from './account'
import type { Me } from './me'
import { PasswordDialog } from './password-dialog'
import { RIGHTS, useMay } from './rights'

interface AccountMenuProps {
  me: Me
  look: Look
  defaultOpen: boolean
}

/** Who the caller is, and the commands about the own session; on an open cluster how to close it. */
export default function AccountMenu({ me, look, defaultOpen }: AccountMenuProps) {
  const [changing, setChanging] = useState(false)
  const mayChange = useMay('changePassword')
  const leave = useLeaving()
  const everywhere = useLeavingEverywhere()
  const navigate = useNavigate()
  const trigger = <IconButton {...look} />
  if (me.kind === 'ANONYMOUS') {
    return (
      <Menu trigger={trigger} defaultOpen={defaultOpen}>
        <MenuNote>
          <p className="font-medium text-warn">No authentication</p>
          <p className="text-muted">
            Any client that reaches this node may do everything. The first user closes the cluster:{' '}
            <code className="font-mono text-xs">horolog user create NAME --admin</code>, or here.
          </p>
        </MenuNote>
        <MenuLine />
        <MenuItem icon={UserPlus} onSelect={() => void navigate({ to: '/users' })}>
          Create the first admin…
        </MenuItem>
      </Menu>
    )
  }
  return (
    <>
      <Menu trigger={trigger} defaultOpen={defaultOpen}>
        <MenuNote>
          <p className="font-medium [overflow-wrap:anywhere]">
            <Name text={me.name} />
          </p>
          {me.role && (
            <>
              <p>{enumLabel(me.role)}</p>
              <p className="text-muted text-xs">{RIGHTS[me.role]}</p>
            </>
          )}
          {me.namespaceRoles.map(({ namespace, role }) => (
            <p key={namespace} title={RIGHTS[role]}>
              {enumLabel(role)} in {namespace}
            </p>
          ))}
        </MenuNote>
        <MenuLine />
        {/* Without a session a proxy says who the caller is. */}
        {me.sessionExpiresAt === null ? (
          <MenuNote>Signed in by a proxy: sign out there.</MenuNote>
        ) : (
          <>
            {mayChange && (
              <MenuItem icon={KeyRound} onSelect={() => setChanging(true)}>
                Change password…
              </MenuItem>
            )}
            <MenuItem icon={LogOut} onSelect={() => void leave()}>
              Sign out
            </MenuItem>
            <MenuItem icon={MonitorX} onSelect={() => void everywhere()}>
              Sign out everywhere…
            </MenuItem>
          </>
        )}
      </Menu>
      {changing && <PasswordDialog name={me.name} onClose={() => setChanging(false)} />}
    </>
  )
}

/** Signs out in this browser. The next user starts at the overview. */
function useLeaving() {
  const left = useLeft()
  const toast = useToast()
  return () =>
    signOut().then(left, (error) =>
      toast({ kind: 'failed', message: `${errorMessage(error)} You are still signed in.` }),
    )
}

function useLeavingEverywhere() {
  const ask = useConfirm()
  const left = useLeft()
  const end = useCommand(SignOutEverywhereDocument, () => null)
  return async () => {
    const sure = await ask({
      title: 'Sign out everywhere?',
      text: 'All your sessions end, in this browser and in all others. API tokens stay valid.',
      action: 'Sign out everywhere',
      danger: true,
    })
    if (sure === null) return
    await end.mutateAsync({ userId: null }).then(left, () => {})
  }
}

/** Forgets what this user read. */
function useLeft() {
  const queries = useQueryClient()
  const navigate = useNavigate()
  return async () => {
    await navigate({ to: '/' })
    noteSignedOut()
    queries.clear()
  }
}
