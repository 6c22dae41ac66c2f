"""`python -m mailbox_d.ctl` is `mailboxctl`."""

import sys

from mailbox_d.ctl.mailboxctl import main

if __name__ == "__main__":
    sys.exit(main())
