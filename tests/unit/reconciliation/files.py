"""Files of statements, each of the same two entries: 100.00 out under our reference, 40.50 in."""

from datetime import date
from typing import Final

OURS: Final = "tfr_01h455vb4pex5vsknk084sn02q"

CAMT: Final = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
<BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>
<Stmt><Id>ST-14</Id><ElctrncSeqNb>14</ElctrncSeqNb>
<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">500.00</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-26</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">440.5</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-27</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-11-27</Dt></BookgDt><ValDt><DtTm>2026-11-27T10:00:00+01:00</DtTm></ValDt>
<AcctSvcrRef>B-1</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>{OURS.replace("_", "-").upper()}</EndToEndId></Refs>
<RmtInf><Ustrd>Rent &amp; more</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">7.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>PDNG</Sts>
<BookgDt><Dt>2026-11-27</Dt></BookgDt></Ntry>
<Ntry><Amt Ccy="EUR">40.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><Dt>2026-11-27</Dt></BookgDt><NtryRef>B-2</NtryRef></Ntry>
</Stmt></BkToCstmrStmt></Document>
"""

MT940: Final = f"""\
{{1:F01BANKDEFFXXXX0000000000}}{{4:
:20:STARTUMSE
:25:37040044/0532013000
:28C:00014/001
:60F:C261126EUR500,00
:61:2611271127D100,00NTRF{OURS.replace("_", "/")[:16]}//B-1
:86:166?00SEPA?20EREF+{OURS[:20].replace("_", " ")}
?21{OURS[20:]}?22SVWZ+Rent
:61:2611271127RD40,50NMSCNONREF//B-2
:62F:C261127EUR440,50
-}}
"""

BAI2: Final = f"""\
01,BANK,US,261127,0900,1,80,,2/
02,US,BANK,1,261126,,USD,2/
03,9876543,USD,010,50000,,,015,44050,,/
16,495,10000,Z,B-1,{OURS},RENT, AND
88,MORE
16,165,4050,Z,B-2,,/
49,108100,5/
98,108100,1,7/
99,108100,1,9/
"""

CSV: Final = """\
Kontoauszug;Konto 0532013000
Buchung;Betrag;Saldo;Referenz;Text
27.11.2026;-100,00;400,00;B-1;"Miete; und mehr"
27.11.2026;40,50;440,50;B-2;Z\u00fcrich
"""

DAY: Final = date(2026, 11, 27)
